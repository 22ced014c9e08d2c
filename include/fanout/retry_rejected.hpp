// SPDX-License-Identifier: BSL-1.0
#pragma once

// retry_rejected: runs everything, and again what was rejected, a limited number of times.

#include <fanout/detail/make_operation.hpp>
#include <fanout/detail/retried_sink.hpp>
#include <fanout/detail/with_retries.hpp>
#include <fanout/retry/attempt.hpp>
#include <fanout/retry/backoff.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>
#include <fanout/retry/retried.hpp>

#include <utility>

namespace fanout {
/// Runs all children as `when_all_settled` does, and runs again those that were rejected, and only those.
///
///     auto r = co_await fanout::retry_rejected(
///         rows, write, fanout::retry_policy{.max_attempts = 4}, fanout::limit(64));
///     std::cout << r.retries() << " retries, " << r.failed() << " failed for good\n";
///     std::move(r).values(); // throws a rejected_error that lists every index that failed
///
/// @param first,rest What to run, in one of three forms. What is run again is always a factory, called anew for each
///   attempt: an awaitable that was awaited is spent.
///   - `inputs, factory`: an input range, borrowed as an lvalue, moved in as an rvalue, and a callable that makes a child
///     of each element. It gets an element that the range makes on the fly by const reference, since it may be needed again.
///   - callables without parameters that make a child each, of any types.
///   - a range of such callables.
///
///   Each of these may take an `attempt const&` as its last parameter.
///
///   Then a `retry_policy` (4 attempts with exponential backoff by default), and as for `when_all`; and `retry_if(f)`,
///   `delay_hint(f)`, `on_retry(f)`, `jitter_from(generator)`, a retry budget (a `token_budget`, a `ratio_budget`) by
///   reference. `options::attempt_timeout` is for each attempt; `options::deadline` covers all attempts and sleeps: an
///   input whose sleep would pass it ends at once with its last error.
/// @returns A lazy operation that completes with `retried<T>`, or with `retried_children<Ts…>` for the second form.
/// @par Completes when
///   each input is fulfilled, or rejected for good, or never to start: nothing runs or sleeps afterwards.
/// @par Errors
///   None for a child, see `retried::values()` and `retried::failures()`. Never run again: what the caller cancelled, what
///   `retry_if` refuses, and what the budget does not allow. `std::invalid_argument`, at the call, for a policy that makes
///   no sense. An exception of the source as for `when_all_settled`.
/// @par Order of results
///   That of the inputs.
/// @par Per-operation cancellation
///   As for `when_all_settled`; an input that sleeps ends with its last error.
/// @par Executor, thread safety, exception safety
///   As for `when_all`. Predicates, hints and notices are called one at a time.
/// @par Lifetimes
///   As for `when_all`; a budget and a generator are borrowed, too, and must outlive the operation.
/// @par Complexity
///   As for `when_all_settled`. A sleeping input holds neither permit nor lane, only a heap entry of some 40 bytes; all of
///   them wait for one timer. The first error of an input that failed more than once takes as much again.
/// @par See also
///   `retry` for one operation; docs/explanation/retrying.md.
template <class First, class... Rest>
[[nodiscard("a fan-out runs only when it is awaited or given a completion token")]] auto
retry_rejected(First&& first, Rest&&... rest) {
    return detail::make_operation<detail::retried_range_sink, detail::retried_children_sink, false>(
        detail::with_retries{}, std::forward<First>(first), std::forward<Rest>(rest)...);
}

} // namespace fanout
