// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out tells an observer: the events, and the hooks that may take them.

#include <fanout/outcome.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fanout {

/// Times in events are durations from the start of the fan-out, by its clock.
using since_start = std::chrono::nanoseconds;

/// A child starts.
struct started_event {
    std::size_t index;     ///< place of its input
    std::uint32_t attempt; ///< 1 for the first
    std::size_t in_flight; ///< children in flight, this one included
    since_start at;
};

/// A child settled.
struct settled_event {
    std::size_t index;
    std::uint32_t attempt;
    std::size_t in_flight;            ///< children still in flight
    state what;                       ///< what became of it
    error_code error;                 ///< where it is not fulfilled
    bool retried;                     ///< it will be run again
    std::chrono::nanoseconds elapsed; ///< from its start, with a permit
    since_start at;
};

/// A rejected input goes to sleep and will be run again.
struct retry_event {
    std::size_t index;
    std::uint32_t attempt; ///< the one that was rejected
    std::chrono::nanoseconds delay;
    since_start at;
};

/// The fan-out has ended; no event follows.
struct finished_event {
    std::size_t not_started; ///< inputs that never ran (of a source whose size is not known: those known of)
    std::size_t
        abandoned;  ///< inputs that were to run again when the fan-out was stopped, and do not: rejected
    since_start at; ///< the wall time of the fan-out
};

namespace detail {

template <class O>
concept has_on_started = requires(O& o, started_event const& e) { o.on_started(e); };
template <class O>
concept has_on_settled = requires(O& o, settled_event const& e) { o.on_settled(e); };
template <class O>
concept has_on_retry = requires(O& o, retry_event const& e) { o.on_retry(e); };
template <class O>
concept has_on_finished = requires(O& o, finished_event const& e) { o.on_finished(e); };

} // namespace detail

/// An observer is any class with at least one of the member functions `on_started(started_event const&)`,
/// `on_settled(settled_event const&)`, `on_retry(retry_event const&)`, `on_finished(finished_event const&)`.
///
/// A hook that is absent costs nothing. Hooks are called one at a time, also where children run on several
/// threads; they must not throw, block, or call back into the fan-out. An observer given as an lvalue is
/// borrowed and must outlive the operation, as an rvalue it is moved in.
template <class O>
concept observer = detail::has_on_started<O> || detail::has_on_settled<O> || detail::has_on_retry<O> ||
                   detail::has_on_finished<O>;

namespace detail {

/// What stands for an observer where none was given.
struct no_observer {};

} // namespace detail
} // namespace fanout
