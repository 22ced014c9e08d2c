// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that follows the ratio of the long and the short latency, and rejections too.

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

class gradient2 {
public:
    struct options {
        std::size_t minimum = 1;    ///< the limit never goes below; at least 1
        std::size_t maximum = 1000; ///< the limit never goes above
        std::size_t initial = 0;    ///< where it starts; 0: at 10, or at the bound that is nearest
        double tolerance = 1.1;     ///< how many times the long latency is no sign of a queue; at least 1
        double smoothing = 0.2; ///< the part of the way to the new limit that is gone; more than 0, at most 1
        double headroom = 4;    ///< what is added where there is no queue; at least 1
        std::uint32_t patience = 10;
        double probe_trips =
            30; ///< the unloaded latency is looked for after half to all of so many round trips
        std::uint32_t seed = 1; ///< draws when to look
    };

    /// @throws std::invalid_argument where an option is out of range.
    explicit gradient2(options const& o)
        : options_(o),
          limit_(static_cast<double>(detail::checked_initial("gradient2", o))),
          long_(o.probe_trips, o.seed) {
        detail::require(o.tolerance >= 1, "gradient2", "tolerance must be at least 1");
        detail::require(o.smoothing > 0 && o.smoothing <= 1, "gradient2", "smoothing must lie within (0, 1]");
        detail::require(o.headroom >= 1, "gradient2", "headroom must be at least 1");
        detail::require(o.probe_trips >= 1, "gradient2", "probe_trips must be at least 1");
    }

    std::size_t limit() const noexcept { return static_cast<std::size_t>(limit_); }

    void on_sample(sample const& s) noexcept {
        if (s.overloaded) {
            if (resume_at_ != 0) limit_ = std::exchange(resume_at_, 0);
            slow_start_ = false;
            calm();
            towards(limit_ * 0.5);
            skip_ = false;
            return;
        }
        auto const rtt = (std::max)(s.rtt, std::chrono::nanoseconds(1));
        if (std::exchange(skip_, false)) {
            return;
        }
        if (resume_at_ != 0) {
            long_.replace(rtt);
            jump(std::exchange(resume_at_, 0));
        } else if (!long_.known()) {
            long_.replace(rtt);
        } else {
            judge(rtt, detail::used(s.in_flight, limit()));
        }
    }

private:
    void judge(std::chrono::nanoseconds rtt, bool used) noexcept {
        auto const ratio = static_cast<double>(long_.rtt().count()) / static_cast<double>(rtt.count());
        auto const g = (std::clamp)(options_.tolerance * ratio, 0.5, 1.0);
        bool const queue = slow_start_ ? limit_ * (1 - g) > std::max(1.0, limit_/6) : g < 1;
        if (slow_start_ && !queue) {
            long_.approach(rtt);
        } else {
            long_.observe(rtt);
        }
        if (!used) return;
        if (long_.stale()) {
            resume_at_ = limit_;
            jump(std::round(0.85 * limit_ * ratio));
        } else if (queue) {
            slow_start_ = false;
            calm();
            if (ratio < 0.5) jump(limit_ * ratio); else
            towards(limit_ * g);
        } else if (slow_start_) {
            jump(2 * limit_);
        } else {
            towards(limit_ + step_ * std::clamp(limit_/4, 1.0, options_.headroom));
            if (++quiet_ == options_.patience) { quiet_ = 0; step_ *= 2; }
        }
    }
    void calm() { quiet_ = 0; step_ = 1; }
    void jump(double to) { set(to); skip_ = true; }
    void towards(double target) noexcept { set(limit_ * (1 - options_.smoothing) + target * options_.smoothing); }
    void set(double to) noexcept {
        limit_ = (std::clamp)(to, static_cast<double>(options_.minimum), static_cast<double>(options_.maximum));
    }

    options options_;
    double limit_;
    baseline long_;
    bool slow_start_ = true;
    bool skip_ = false;
    double resume_at_ = 0;
    std::uint32_t quiet_ = 0;
    double step_ = 1;
};

} // namespace fanout
