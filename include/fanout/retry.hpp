// SPDX-License-Identifier: BSL-1.0
#pragma once

// retry: runs one operation, and again while it is rejected, a limited number of times.

#include <fanout/detail/arguments.hpp>
#include <fanout/detail/limit_parts.hpp>
#include <fanout/detail/make_operation.hpp>
#include <fanout/detail/refused.hpp>
#include <fanout/detail/retried_sink.hpp>
#include <fanout/detail/with_retries.hpp>
#include <fanout/named.hpp>
#include <fanout/retry/attempt.hpp>
#include <fanout/retry/backoff.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>

#include <array>
#include <functional>
#include <type_traits>
#include <utility>

namespace fanout {
namespace detail {

struct the_only {};

/// Calls a factory that takes no input.
template <class F>
class without_input {
public:
    explicit without_input(F f) : factory_(std::move(f)) {}

    template <class... More>
        requires std::is_invocable_v<F&, More...>
    decltype(auto) operator()(the_only const&, More&&... more) {
        return std::invoke(factory_, std::forward<More>(more)...);
    }

private:
    F factory_;
};

/// Refuses a factory that cannot be called for each attempt. (One that takes a resource is not asked whether it could
/// go without: a generic lambda may have no body for that.)
template <class Attempt, class Factory, class Permit>
consteval bool check_single_call() {
    constexpr bool callable = takes<Attempt, Factory>;
    static_assert(
        callable,
        "fanout: the factory of retry takes no parameter, or an attempt const& of the call's clock");
    return callable;
}
template <class Attempt, class Factory, carries_resource Permit>
consteval bool check_single_call() {
    constexpr bool callable = takes<Attempt, Factory, typename Permit::resource_type&>;
    static_assert(
        callable,
        "fanout: with a pool the factory of retry takes a resource of the pool, and behind it, where it "
        "wants it, an attempt const& of the call's clock");
    return callable;
}

/// Refuses a factory or a limit that makes no sense without inputs.
template <class Factory, class... As>
consteval bool check_single() {
    constexpr bool no_child = !child<std::remove_cvref_t<Factory>>;
    static_assert(
        no_child,
        "fanout: retry takes a callable that makes the operation: one that was awaited is spent, so only "
        "a factory can make another attempt");
    refuse_unsafe_closure<Factory>();
    if constexpr (no_child && check_arguments<true, As...>()) {
        using settings = decltype(make_settings(std::declval<As>()...));
        using admission = typename settings::admission_type;
        constexpr bool no_inputs_asked =
            !admission::by_input && std::is_same_v<typename settings::keys_type, no_keys>;
        static_assert(no_inputs_asked,
                      "fanout: retry has no input that a keyed limit or a weight could be asked of");
        using attempt = basic_attempt<typename settings::clock>;
        using permit = typename admission::permit_type;
        return check_copied<Factory>() && no_inputs_asked &&
               check_single_call<attempt, std::decay_t<Factory>, permit>();
    }
    return false;
}

} // namespace detail

/// Runs one operation, and again where it is rejected, after a sleep, a limited number of times.
///
///     auto reply = co_await fanout::retry([&] { return client.get(url); },
///                                         fanout::retry_policy{.max_attempts = 5});
///
///     // the whole transaction is run again, on whichever connection is free
///     co_await fanout::retry([&](connection& c) { return transfer(c, from, to); }, fanout::retry_if(deadlock), pool);
///
/// @param factory Makes the operation, anew for each attempt: `f()`, `f(resource&)` with a pool for a limit, and either
///   with an `attempt const&` as its last parameter. Kept until the operation ends.
/// @param arguments As for `retry_rejected`. A limit is acquired for each attempt and released while it sleeps; one that
///   asks the input (`keyed`, a weight by input) makes no sense here and is refused.
/// @returns A lazy operation that completes with the child's value (nothing for `void`); or, where the child returns an
///   Outcome type, with a `settled<T>`.
/// @par Completes when
///   an attempt is fulfilled, or is rejected and none may follow: nothing runs or sleeps afterwards.
/// @par Errors
///   What the last attempt threw, unchanged; a `system_error` for one that ended by an error code. The first error, and
///   those between, are told to `on_retry`. `errc::timed_out` where the attempt's time limit or the deadline ended it,
///   `errc::cancelled_by_caller` where the caller did, `errc::not_started` where it never ran.
/// @par Per-operation cancellation
///   Terminal cancels the running attempt; partial and total let it end, and start no other. One that sleeps ends with its
///   last error.
/// @par Executor, thread safety, exception safety, lifetimes
///   As for `retry_rejected`.
/// @par Complexity
///   As for a `when_all` of one child; a timer while it sleeps or has a time limit.
/// @par See also
///   `retry_rejected` for many; docs/how-to/retry-a-transaction.md.
template <class Factory, class... As>
[[nodiscard("a fan-out runs only when it is awaited or given a completion token")]] auto
retry(Factory&& factory, As&&... arguments) {
    if constexpr (!detail::check_single<Factory, As...>()) {
        return detail::refused{};
    } else {
        using wrapped = detail::without_input<std::decay_t<Factory>>;
        return detail::make_range_operation<detail::single_sink, false>(
            std::array<detail::the_only, 1>{}, wrapped(std::forward<Factory>(factory)),
            detail::with_retries{}, std::forward<As>(arguments)...);
    }
}

} // namespace fanout
