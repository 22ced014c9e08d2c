// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that keeps a few children in the backend's queue: for a backend whose latency grows with its load.

#include <fanout/limit/algorithm/baseline.hpp>
#include <fanout/limit/algorithm/checks.hpp>
#include <fanout/limit/algorithm/sample.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fanout {

/// With the unloaded latency m, the latency r, and g = max(1, ⌊log10 L⌋), the queue is q = L (1 - m/r)
/// children, by Little's law. A = min(α g, max(1/2, L/16)) and B = min(β g, max(1, L/10)) are what is wanted
/// of it.
///
/// - Until q > B (slow start): L ← 2 L. Then L ← L - q.
/// - q < A: L ← L + B, or where q > g only L + g.
/// - q > B: L ← L - g. q > 2 B: L ← max(L - q, L/2).
/// - Overload: L ← L - g.
///
/// By latency it changes only where at least half of L was in use.
///
/// From Netflix' concurrency-limits (`VegasLimit`, after Brakmo and Peterson's TCP Vegas), which differs:
/// - It judges each call; this judges a round trip, and not the one that a change of L has not reached yet
///   (see `baseline`).
/// - It re-learns m from whatever call is next, queue and all, and so drifts up: this lowers L for a look.
/// - It has no slow start, and steps down by g only: from 1,000 to 40 that is some 500 round trips.
/// - Its A and B are α g and β g, however small L is: with 10 slots, 6 in the queue are too many. And it
///   rounds q up.
class vegas {
public:
    /// What it may be told; each has a default.
    struct options {
        std::size_t minimum = 1;    ///< the limit never goes below; at least 1
        std::size_t maximum = 1000; ///< the limit never goes above
        std::size_t initial = 0;    ///< where it starts; 0: at 10, or at the bound that is nearest
        double alpha = 3;           ///< α; more than 0
        double beta = 6;            ///< β; at least alpha
        double probe_trips = 30;    ///< looks for m after half to all of so many round trips; at least 1
        std::uint32_t seed = 1;     ///< of the draw when to look
    };

    /// Starts at `initial`, in slow start.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    explicit vegas(options const& o)
        : options_(o), limit_(detail::checked_initial("vegas", o)), baseline_(o.probe_trips, o.seed) {
        detail::require(o.alpha > 0, "vegas", "alpha must be more than 0");
        detail::require(o.beta >= o.alpha, "vegas", "beta must be at least alpha");
        detail::require(o.probe_trips >= 1, "vegas", "probe_trips must be at least 1");
    }

    /// How many children may be in flight now.
    std::size_t limit() const noexcept { return limit_; }

    /// Learns from a round trip: see `limit_algorithm`.
    void on_sample(sample const& s) noexcept {
        if (s.overloaded) {
            slow_start_ = false;
            auto const l = (std::max)(limit_, std::exchange(resume_at_, 0));
            set(static_cast<double>(l) - step(l));
            baseline_.overloaded();
            return;
        }
        bool const used = detail::used(s.in_flight, limit_);
        switch (baseline_.take(s)) {
        case baseline::verdict::judge: judge(used); break;
        case baseline::verdict::probed: change(static_cast<double>(std::exchange(resume_at_, 0))); break;
        case baseline::verdict::few:
            if (slow_start_ && used && limit_ < baseline::enough) {
                set(2 * static_cast<double>(limit_));
            }
            break;
        case baseline::verdict::wait: break;
        }
    }

private:
    void judge(bool used) noexcept {
        auto const l = static_cast<double>(limit_);
        auto const g = step(limit_);
        auto const low = (std::min)(options_.alpha * g, (std::max)(0.5, l / 16));
        auto const high = (std::min)(options_.beta * g, (std::max)(1.0, l / 10));
        auto const queue = l * (1 - baseline_.ratio());
        bool const doubles = slow_start_ && queue <= high;
        if (doubles) {
            baseline_.average();
        } else {
            baseline_.observe();
        }
        if (!used) {
            return;
        }
        if (doubles) {
            change(2 * l);
        } else if (std::exchange(slow_start_, false)) {
            baseline_.doubt(1); // it is the mean of the first few children
            change(std::round(l - queue));
        } else if (baseline_.stale()) {
            resume_at_ = limit_;
            change(std::floor(baseline_.drained(l)));
            baseline_.probe();
        } else if (queue < low) {
            change(l + (queue <= g ? std::floor(high) : g));
        } else if (queue > 2 * high) {
            baseline_.doubt(0.5); // the second time in a row, perhaps the backend has become slower
            change(std::round((std::max)(l - queue, l / 2)));
        } else if (queue > high) {
            baseline_.doubt(0.1);
            change(l - g);
        }
    }

    static double step(std::size_t limit) noexcept {
        return (std::max)(1.0, std::floor(std::log10(static_cast<double>(limit))));
    }

    void set(double to) noexcept {
        limit_ = static_cast<std::size_t>(
            (std::clamp)(to, static_cast<double>(options_.minimum), static_cast<double>(options_.maximum)));
    }

    void change(double to) noexcept {
        auto const before = limit_;
        set(to);
        if (limit_ != before) {
            baseline_.changed();
        }
    }

    options options_;
    std::size_t limit_;
    baseline baseline_;
    bool slow_start_ = true;
    std::size_t resume_at_ = 0; // where the limit was before a probe lowered it; else 0
};

} // namespace fanout
