// SPDX-License-Identifier: BSL-1.0
#pragma once

// What an algorithm learns from, and what an algorithm is.

#include <chrono>
#include <concepts>
#include <cstddef>

namespace fanout {

/// What was seen during one round trip.
struct sample {
    std::chrono::nanoseconds rtt{}; ///< the mean latency of the children that were served; 0 where none was
    std::size_t in_flight = 0;      ///< the most children in flight at once
    bool overloaded = false;        ///< a child was turned away for overload
};

/// An algorithm says how many children may be in flight; nothing in it waits, locks or asks for the time.
///
/// `limit()` is at least 1. `on_sample(s)` is called once per round trip, so a burst of rejections is one sign and
/// lowers the limit once.
template <class A>
concept limit_algorithm = std::move_constructible<A> && requires(A& a, A const& c, sample const& s) {
    { c.limit() } noexcept -> std::same_as<std::size_t>;
    { a.on_sample(s) } noexcept;
};

} // namespace fanout
