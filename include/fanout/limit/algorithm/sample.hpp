// SPDX-License-Identifier: BSL-1.0
#pragma once

// What an algorithm learns from, and what an algorithm is.

#include <fanout/detail/requirements.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>

namespace fanout {

/// What was seen during one round trip.
struct sample {
    std::chrono::nanoseconds rtt{}; ///< the mean latency of the children that were served, if any was
    std::size_t in_flight = 0;      ///< the most children in flight at once
    bool overloaded = false;        ///< a child was turned away for overload
    std::size_t served = 0;         ///< how many children the mean is of
};

/// An algorithm says how many children may be in flight; nothing in it waits, locks or asks for the time.
///
/// `limit()` is at least 1. `on_sample(s)` is called at the end of each round trip in which a child was
/// served, and at once for overload, which begins a new round trip. A burst of rejections is one sample:
/// those of children that were started before it tell nothing new.
template <class A>
concept limit_algorithm = std::move_constructible<A> && requires(A& a, A const& c, sample const& s) {
    { c.limit() } noexcept -> std::same_as<std::size_t>;
    { a.on_sample(s) } noexcept;
};

} // namespace fanout
