// SPDX-License-Identifier: BSL-1.0
#pragma once

// when_all_settled: runs everything and tells what became of each.

#include <fanout/detail/make_operation.hpp>

#include <utility>

namespace fanout {
namespace detail {

template <class T, bool AsOutcome>
using settled_range_sink = settled_sink<T>;
template <bool AsOutcome, class... Ts>
using settled_children_sink = tuple_settled_sink<Ts...>;

} // namespace detail

/// Runs all children, whatever becomes of the others, and tells what became of each.
///
///     auto outcomes = co_await fanout::when_all_settled(rows, write, fanout::limit(64));
///     for (auto const& o : outcomes)
///         if (!o) std::cerr << to_string(fanout::state_of(o)) << ": " << o.error().message() << '\n';
///
/// @param first,rest As for `when_all`, all three forms.
/// @returns A lazy operation that completes with `std::vector<settled<T>>`, or with `std::tuple<settled<Ts>…>`.
/// @par Completes when
///   each child that started has ended. At once, and empty, for no inputs.
/// @par Errors
///   None for a child: a child's error, its exception, and an exception of the factory are that child's rejection.
///   An exception of the source is thrown after the running children have ended; then there are no outcomes.
/// @par Order of results
///   That of the inputs.
/// @par Per-operation cancellation
///   `partial`, `total`: nothing more starts, the running children are waited for. `terminal`: they are cancelled, too.
///   In both cases it completes normally: inputs that never ran are `errc::not_started`, children that heeded the
///   cancellation `errc::cancelled_by_caller`, and a value that arrives nevertheless is a value. (Of a source whose
///   size cannot be told without running it, those that were not pulled are not listed.)
/// @par Executor, thread safety, exception safety, lifetimes
///   As for `when_all`.
/// @par Complexity
///   One allocation, lanes in chunks, and `sizeof(settled<T>)` per input.
/// @par See also
///   `when_all`, `state_of`; `Promise.allSettled`.
template <class First, class... Rest>
[[nodiscard("a fan-out runs only when it is awaited or given a completion token")]] auto
when_all_settled(First&& first, Rest&&... rest) {
    return detail::make_operation<detail::settled_range_sink, detail::settled_children_sink, false>(
        detail::without_retries{}, std::forward<First>(first), std::forward<Rest>(rest)...);
}

} // namespace fanout
