// SPDX-License-Identifier: BSL-1.0
#pragma once

// when_all: all values, or the first failure.

#include <fanout/detail/make_operation.hpp>

#include <type_traits>
#include <utility>

namespace fanout {
namespace detail {

template <bool AsOutcome, class... Ts>
class checked_tuple_all_sink : public tuple_all_sink<AsOutcome, Ts...> {
public:
    static consteval bool check() {
        constexpr bool has_empty =
            AsOutcome || (... && std::is_default_constructible_v<value_or_monostate<Ts>>);
        static_assert(
            has_empty,
            "fanout: when_all(a, b, ...) must hand Asio a tuple when it fails too, so each value must be "
            "default constructible: let the child return std::optional<T>, or use when_all_settled");
        return has_empty;
    }
};

} // namespace detail

/// Runs all children; completes with all their values, or throws the first failure after the others have ended.
///
///     std::vector<int> sizes = co_await fanout::when_all(urls, fetch_size, fanout::limit(16));
///     auto both = co_await fanout::when_all(find_user(id), find_orders(id));
///     auto& [user, orders] = both; // named first: GCC 15 and 16 leak a binding made of the co_await itself
///     co_await fanout::when_all(vector_of_awaitables);
///
/// @param first,rest What to run, in one of three forms:
///   - `inputs, factory`: an input range, and a callable that makes a child of each element. An lvalue range is
///     borrowed, an rvalue range is moved into the operation. Inputs are pulled one by one, one per free permit.
///   - children, of any types: awaitables and Asio operations side by side.
///   - a range of children; they are moved out of it.
///
///   then, each at most once and in any order: a limit (`limit(n)`, `unlimited`; unlimited by default), `options`,
///   `overload_if(f)`, an observer, `on(executor)`.
/// @returns A lazy, move-only operation: await it, or call it with a completion token, once. It completes with
///   `std::vector<T>`, `std::tuple<Ts…>` (`std::monostate` for void), or nothing where the children of a range yield
///   void. Where the children return Outcome's result or outcome, it completes with a `settled` of that instead of
///   throwing.
/// @par Completes when
///   each child that started has ended: nothing of it runs afterwards. At once, and empty, for no inputs.
/// @par Errors
///   The first rejection in time is thrown, as the child's own exception or as a `system_error` of its code. It stops
///   the pulling of inputs and cancels the running siblings (terminal), which are waited for; what they end with is
///   dropped. Cancelled by the caller: `errc::cancelled_by_caller`, unless all values were there. Past the
///   deadline: `errc::timed_out`. An exception of the source likewise; one of the factory is that child's rejection.
/// @par Order of results
///   That of the inputs, whatever the order in which the children end.
/// @par Per-operation cancellation
///   `partial`, `total`: nothing more starts, the running children are waited for. `terminal`: they are cancelled, too.
/// @par Executor
///   The handler's associated executor; where that is not serial, a strand over it. See `on`.
/// @par Thread safety
///   Distinct operations: safe. Children of one fan-out run one at a time, unless `on` is given.
/// @par Exception safety
///   At the call: what copying or moving the arguments throws, and `std::invalid_argument` for options out of range.
///   Without memory, at the start `std::bad_alloc` and nothing has run; later as an exception of the source.
/// @par Lifetimes
///   The factory, an rvalue range and the children live in the operation until the last child has ended. An lvalue range,
///   a shared limit and an observer given as an lvalue are borrowed.
/// @par Complexity
///   One allocation with the handler's associated allocator, and lanes in chunks: O(limit) + the results.
/// @par See also
///   `when_all_settled`, `retry_rejected`; `Promise.all`, whose siblings run on; cppcoro's `when_all`.
template <class First, class... Rest>
[[nodiscard("a fan-out runs only when it is awaited or given a completion token")]] auto
when_all(First&& first, Rest&&... rest) {
    return detail::make_operation<detail::all_sink, detail::checked_tuple_all_sink, true>(
        detail::without_retries{}, std::forward<First>(first), std::forward<Rest>(rest)...);
}

} // namespace fanout
