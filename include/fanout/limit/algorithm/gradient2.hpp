// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that follows the gradient of the latency, and overload: for a backend of which nothing is known.

#include <fanout/limit/algorithm/baseline.hpp>
#include <fanout/limit/algorithm/checks.hpp>
#include <fanout/limit/algorithm/sample.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fanout {

/// With the unloaded latency m and the latency r, the gradient is g = clamp(tolerance · m/r, 0.5, 1).
///
/// - Until g < 1 (slow start): L ← 2 L. Then L ← L · m/r.
/// - g = 1: L ← L + smoothing · h, with h = min(headroom, max(1, L/8)), and twice as much after every
///   `patience` such round trips in a row.
/// - g < 1: L ← L (1 - smoothing) + smoothing · L g. Where g = 0.5: L ← L g.
/// - Overload: as g = 0.5, with the smoothing.
///
/// By latency it changes only where at least half of L was in use; less than half a child in the queue is
/// none (g = 1).
///
/// From Netflix' concurrency-limits (`Gradient2Limit`), which differs:
/// - It ignores overload.
/// - It adds the headroom whatever g is, so that a queue of it stays and, as below, becomes what is
///   compared with.
/// - It compares with the mean of 600 samples of the loaded backend, which follows the queue that it is to
///   find: the limit creeps up without end. This compares with the latency without a queue, and lowers L for
///   a look (see `baseline`).
/// - Its tolerance is 1.5, with which the limit settles at half as much again as is needed.
/// - It has no slow start, its step is fixed, and from far above it comes down by a tenth at a time.
class gradient2 {
public:
    /// What it may be told; each has a default.
    struct options {
        std::size_t minimum = 1;    ///< the limit never goes below; at least 1
        std::size_t maximum = 1000; ///< the limit never goes above
        std::size_t initial = 0;    ///< where it starts; 0: at 10, or at the bound that is nearest
        double tolerance = 1.07;    ///< no sign of a queue: a latency of at most so many times m; at least 1
        double smoothing = 0.2; ///< the part of the way to the new limit that is gone; more than 0, at most 1
        double headroom = 4;    ///< how much is added where there is no queue; at least 1
        std::uint32_t patience = 10; ///< round trips without a queue until the step doubles; at least 1
        double probe_trips = 30;     ///< looks for m after half to all of so many round trips; at least 1
        std::uint32_t seed = 1;      ///< of the draw when to look
    };

    /// Starts at `initial`, in slow start.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    explicit gradient2(options const& o)
        : options_(o),
          limit_(static_cast<double>(detail::checked_initial("gradient2", o))),
          baseline_(o.probe_trips, o.seed) {
        detail::require(o.tolerance >= 1, "gradient2", "tolerance must be at least 1");
        detail::require(o.smoothing > 0 && o.smoothing <= 1, "gradient2", "smoothing must lie within (0, 1]");
        detail::require(o.headroom >= 1, "gradient2", "headroom must be at least 1");
        detail::require(o.patience >= 1, "gradient2", "patience must be at least 1");
        detail::require(o.probe_trips >= 1, "gradient2", "probe_trips must be at least 1");
    }

    /// How many children may be in flight now.
    std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_); }

    /// Learns from a round trip: see `limit_algorithm`.
    void on_sample(sample const& s) noexcept {
        if (s.overloaded) {
            slow_start_ = false;
            limit_ = (std::max)(limit_, std::exchange(resume_at_, 0.0));
            shrink(0.5);
            baseline_.overloaded();
            return;
        }
        bool const used = detail::used(s.in_flight, limit());
        switch (baseline_.take(s)) {
        case baseline::verdict::judge: judge(used); break;
        case baseline::verdict::probed: jump(std::exchange(resume_at_, 0.0)); break;
        case baseline::verdict::few:
            if (slow_start_ && used && limit() < baseline::enough) {
                set(2 * limit_);
            }
            break;
        case baseline::verdict::wait: break;
        }
    }

private:
    void judge(bool used) noexcept {
        auto const ratio = baseline_.ratio();
        auto const g = (std::clamp)(options_.tolerance * ratio, 0.5, 1.0);
        bool const queue = g < 1 && limit_ * (1 - ratio) > 0.5;
        if (slow_start_ && !queue) {
            baseline_.average();
        } else {
            baseline_.observe();
        }
        if (!used) {
            return;
        }
        if (slow_start_ && !queue) {
            jump(2 * limit_);
        } else if (std::exchange(slow_start_, false)) {
            baseline_.doubt(1); // it is the mean of the first few children
            jump(limit_ * ratio);
        } else if (baseline_.stale()) {
            resume_at_ = limit_;
            jump(std::floor(baseline_.drained(limit_)));
            baseline_.probe();
        } else if (!queue) {
            grow();
        } else if (g > 0.5) {
            baseline_.doubt(0.1);
            shrink(g);
        } else {
            baseline_.doubt(0.5); // the second time in a row, perhaps the backend has become slower
            calm();
            jump(limit_ * g);
        }
    }

    void grow() noexcept {
        set(limit_ + options_.smoothing * step_ * (std::min)(options_.headroom, (std::max)(1.0, limit_ / 8)));
        if (++quiet_ == options_.patience) {
            quiet_ = 0;
            step_ = (std::min)(2 * step_, static_cast<double>(options_.maximum));
        }
    }

    void calm() noexcept {
        quiet_ = 0;
        step_ = 1;
    }

    void shrink(double g) noexcept {
        calm();
        set(limit_ * (1 - options_.smoothing) + options_.smoothing * limit_ * g);
    }

    void jump(double to) noexcept {
        set(to);
        baseline_.changed();
    }

    void set(double to) noexcept {
        limit_ =
            (std::clamp)(to, static_cast<double>(options_.minimum), static_cast<double>(options_.maximum));
    }

    options options_;
    double limit_;
    baseline baseline_;
    bool slow_start_ = true;
    double resume_at_ = 0;    // where the limit was before a probe lowered it; else 0
    std::uint32_t quiet_ = 0; // round trips without a queue since the step was set
    double step_ = 1;         // how many times the headroom is added
};

} // namespace fanout
