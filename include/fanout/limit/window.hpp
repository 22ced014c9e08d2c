// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many children of one call may be in flight: a window, or no limit at all.

#include <fanout/detail/requirements.hpp>

#include <cstddef>
#include <limits>
#include <stdexcept>

namespace fanout {

/// At most a fixed number of children of one call in flight; made by `limit(n)`. The window is sliding: a free
/// place is taken at once, no batch waits for its slowest.
class window {
public:
    /// See `limit`.
    ///
    /// @throws std::invalid_argument where n is 0.
    constexpr explicit window(std::size_t n) : permits_(n) {
        if (n == 0) {
            throw std::invalid_argument("fanout::limit(0): a limit is at least 1, or nothing would ever run");
        }
    }

    /// How many children may be in flight, at least 1.
    constexpr std::size_t permits() const noexcept { return permits_; }

private:
    std::size_t permits_;
};

/// At most `n` children of this call in flight.
///
///     co_await fanout::when_all(urls, fetch, fanout::limit(16));
///
/// @param n At least 1.
/// @returns A limit for one call: no shared state, no queue, and nothing to outlive.
/// @throws std::invalid_argument where n is 0.
constexpr window limit(std::size_t n) { return window(n); }

/// No limit, as `Promise.all` has none: every input is started at once. What a call without a limit does.
struct unlimited_t {
    /// As many as there can be.
    static constexpr std::size_t permits() noexcept { return (std::numeric_limits<std::size_t>::max)(); }
};

/// The argument that says so: `when_all(urls, fetch, fanout::unlimited)`.
inline constexpr unlimited_t unlimited{};

} // namespace fanout
