// SPDX-License-Identifier: BSL-1.0
#pragma once

// How long a rejected input sleeps before it is run again.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <random>

namespace fanout {

/// A backoff tells how long to sleep before an attempt. `retry` is 0 before the first retry, 1 before the
/// second, and so on; `generator` is a uniform random bit generator.
template <class B, class Generator = std::minstd_rand>
concept backoff = std::copyable<B> && requires(B const b, std::uint32_t retry, Generator& generator) {
    { b.delay(retry, generator) } -> std::convertible_to<std::chrono::nanoseconds>;
};

/// Exponential backoff with full jitter: `U(0,1) · min(cap, base · 2^retry)`.
///
/// Source of the formula: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
struct exponential {
    std::chrono::nanoseconds base =
        std::chrono::milliseconds(50);                       ///< the bound of the first sleep, at least 0
    std::chrono::nanoseconds cap = std::chrono::seconds(20); ///< no sleep is longer, at least 0

    /// The bound that the jitter is drawn below: `min(cap, base · 2^retry)`.
    constexpr std::chrono::nanoseconds bound(std::uint32_t retry) const noexcept {
        auto b = base;
        for (; retry > 0 && b < cap && b.count() > 0; --retry) {
            b = b > cap / 2 ? cap : b * 2;
        }
        return (std::min)(b, cap);
    }

    template <std::uniform_random_bit_generator Generator>
    std::chrono::nanoseconds delay(std::uint32_t retry, Generator& generator) const {
        std::uniform_real_distribution<double> u(0.0, 1.0);
        auto const upper = static_cast<double>(bound(retry).count());
        return std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(u(generator) * upper));
    }
};

} // namespace fanout
