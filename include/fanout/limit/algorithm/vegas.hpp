// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that keeps a few children in the backend's queue: for a backend whose latency grows where it is loaded.

#include <fanout/limit/algorithm/baseline.hpp>
#include <fanout/limit/algorithm/checks.hpp>
#include <fanout/limit/algorithm/sample.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fanout {

class vegas {
public:
    struct options {
        std::size_t minimum = 1;    ///< the limit never goes below; at least 1
        std::size_t maximum = 1000; ///< the limit never goes above
        std::size_t initial = 0;    ///< where it starts; 0: at 10, or at the bound that is nearest
        double alpha = 3;           ///< it grows while fewer than alpha · g calls wait; more than 0
        double beta = 6;            ///< it shrinks while more than beta · g calls wait; at least alpha
        double probe_trips =
            30; ///< the unloaded latency is looked for after half to all of so many round trips
        std::uint32_t seed = 1; ///< draws when to look
    };

    /// @throws std::invalid_argument where an option is out of range.
    explicit vegas(options const& o)
        : options_(o), limit_(detail::checked_initial("vegas", o)), unloaded_(o.probe_trips, o.seed) {
        detail::require(o.alpha > 0, "vegas", "alpha must be more than 0");
        detail::require(o.beta >= o.alpha, "vegas", "beta must be at least alpha");
        detail::require(o.probe_trips >= 1, "vegas", "probe_trips must be at least 1");
    }

    std::size_t limit() const noexcept { return limit_; }

    void on_sample(sample const& s) noexcept {
        if (s.overloaded) {
            if (std::exchange(probing_, false)) {
                limit_ = resume_at_;
            }
            slow_start_ = false;
            decrease(unit());
            return;
        }
        auto const rtt = (std::max)(s.rtt, std::chrono::nanoseconds(1));
        if (std::exchange(stale_, false)) {
            return;
        }
        if (std::exchange(probing_, false)) {
            unloaded_.replace(rtt);
            change(resume_at_);
            return;
        }
        bool const first = !unloaded_.known();
        unloaded_.observe(rtt);
        if (first || !detail::used(s.in_flight, limit_)) {
            return;
        }
        judge(queue(rtt));
    }

private:
    void judge(std::size_t q) noexcept {
        auto const l = static_cast<double>(limit_);
        auto const g = unit();
        auto const alpha = (std::min)(options_.alpha * static_cast<double>(g), (std::max)(2.0, l / 8));
        auto const beta = (std::min)(options_.beta * static_cast<double>(g), (std::max)(2.0, l / 6));
        auto const waiting = static_cast<double>(q);
        if (unloaded_.stale()) {
            resume_at_ = limit_;
            probing_ = true;
            auto const drained = std::ceil(0.85 * static_cast<double>(limit_ - q));
            change(static_cast<std::size_t>(drained));
        } else if (q <= g && waiting < alpha) {
            change(limit_ + (slow_start_ ? limit_ : static_cast<std::size_t>(beta)));
        } else if (waiting < alpha) {
            change(limit_ + g);
        } else {
            slow_start_ = false;
            if (waiting > 2 * beta) {
                decrease(q);
            } else if (waiting > beta) {
                decrease(g);
            }
        }
    }

    std::size_t unit() const noexcept {
        return (std::max)(std::size_t{1}, static_cast<std::size_t>(std::log10(static_cast<double>(limit_))));
    }

    std::size_t queue(std::chrono::nanoseconds rtt) const noexcept {
        auto const ratio = static_cast<double>(unloaded_.rtt().count()) / static_cast<double>(rtt.count());
        return static_cast<std::size_t>(std::ceil(static_cast<double>(limit_) * (1 - ratio)));
    }

    void decrease(std::size_t by) noexcept { change(limit_ - (std::min)(by, limit_)); }

    void change(std::size_t to) noexcept {
        auto const before = std::exchange(limit_, (std::clamp)(to, options_.minimum, options_.maximum));
        stale_ = limit_ != before;
    }

    options options_;
    std::size_t limit_;
    baseline unloaded_;
    bool slow_start_ = true;
    bool stale_ = false;   // the next round trip is of children that were started before the limit changed
    bool probing_ = false; // the limit is lowered, to see the latency without a queue
    std::size_t resume_at_ = 0;
};

} // namespace fanout
