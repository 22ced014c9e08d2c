// SPDX-License-Identifier: BSL-1.0
#pragma once

// The latency of a backend that has no queue, which the algorithms that look at latency compare with.

#include <chrono>
#include <cstdint>
#include <random>

namespace fanout {

/// What a call takes when none waits before it. A lower latency is taken at once. Otherwise it has to be looked for from time to
/// time: where calls always wait, the lowest latency seen is the latency with a queue, and if the backend becomes slower,
/// an old one is too low. `stale()` says when to lower the limit for a round trip and to `replace` it by what was seen.
///
/// It is stale when no round trip confirmed it, by being at most as long, for U(0.5, 1) · `trips` round trips: the time
/// is drawn so that limits that share a backend do not look all at once. (BBR's ProbeRTT; TCP Vegas has nothing of the kind.)
class baseline {
public:
    baseline(double trips, std::uint32_t seed) noexcept : trips_(trips), generator_(seed) { draw(); }

    bool known() const noexcept { return rtt_.count() > 0; }
    std::chrono::nanoseconds rtt() const noexcept { return rtt_; }
    bool stale() const noexcept { return left_ <= 0; }

    /// A round trip's latency that is not the baseline's: half of the way to it.
    void approach(std::chrono::nanoseconds rtt) noexcept { replace(rtt_ + (rtt - rtt_) / 2); }

    /// A round trip's latency. A lower one is approached.
    void observe(std::chrono::nanoseconds rtt) noexcept {
        if (rtt <= rtt_) {
            approach(rtt);
        } else {
            left_ -= 1;
        }
    }

    void replace(std::chrono::nanoseconds rtt) noexcept {
        rtt_ = rtt;
        draw();
    }

private:
    void draw() noexcept {
        constexpr double span = static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
        auto const u = static_cast<double>(generator_() - std::minstd_rand::min()) / span;
        left_ = trips_ * (1 + u) / 2;
    }

    std::chrono::nanoseconds rtt_{};
    double trips_;
    double left_ = 0; // round trips until it is stale
    std::minstd_rand generator_;
};

} // namespace fanout
