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
            slow_start_ = false;
            change(std::exchange(resume_at_, 0) + (resume_at_ == 0 ? limit_ : 0) - unit());
            return;
        }
        auto const rtt = (std::max)(s.rtt, std::chrono::nanoseconds(1));
        if (std::exchange(skip_, false)) {
            return;
        }
        if (resume_at_ != 0) {
            unloaded_.replace(rtt);
            change(std::exchange(resume_at_, 0));
        } else if (!unloaded_.known()) {
            unloaded_.replace(rtt);
        } else {
            judge(rtt, detail::used(s.in_flight, limit_));
        }
    }

private:
    void judge(std::chrono::nanoseconds rtt, bool used) noexcept {
        auto const l = static_cast<double>(limit_);
        auto const g = static_cast<double>(unit());
        auto const alpha = (std::min)(options_.alpha * g, l / 8);
        auto const beta = (std::min)(options_.beta * g, l / 6);
        auto const unqueued = l * static_cast<double>(unloaded_.rtt().count()) / static_cast<double>(rtt.count());
        auto const queue = l - unqueued;
        if (slow_start_ && queue <= std::max(beta,1.0)) {
            unloaded_.approach(rtt);
        } else {
            unloaded_.observe(rtt);
        }
        if (!used) { return; }
        if (unloaded_.stale()) {
            resume_at_ = limit_;
            change(to_size(std::round(0.85 * unqueued)));
        } else if (slow_start_ && queue <= std::max(beta,1.0)) {
            change(2 * limit_);
        } else if (queue < alpha) {
            change(limit_ + to_size(std::max(1.0, queue <= g ? beta : g)));
        } else {
            slow_start_ = false;
            if (queue > 2 * beta) {
                change(to_size(unqueued));
            } else if (queue > beta) {
                change(limit_ - unit());
            }
        }
    }

    static std::size_t to_size(double x) noexcept { return static_cast<std::size_t>(x); }

    std::size_t unit() const noexcept {
        return (std::max)(std::size_t{1}, static_cast<std::size_t>(std::log10(static_cast<double>(limit_))));
    }

    void change(std::size_t to) noexcept {
        auto const before = std::exchange(limit_, (std::clamp)(to, options_.minimum, options_.maximum));
        skip_ = limit_ != before;
    }

    options options_;
    std::size_t limit_;
    baseline unloaded_;
    bool slow_start_ = true;
    bool skip_ = false;          // the next round trip is of children that were started before the limit changed
    std::size_t resume_at_ = 0;  // not 0: the limit is lowered, to see the latency without a queue
};

} // namespace fanout
