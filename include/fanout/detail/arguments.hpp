// SPDX-License-Identifier: BSL-1.0
#pragma once

// The arguments behind a combinator's children: each at most once, in any order, told apart by what they are.

#include <fanout/detail/limit_parts.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/named.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/options.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>

#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace fanout::detail {

template <class T>
inline constexpr bool is_options = false;
template <class Clock>
inline constexpr bool is_options<basic_options<Clock>> = true;
template <class T>
inline constexpr bool is_on = false;
template <class Executor>
inline constexpr bool is_on<on_t<Executor>> = true;
template <class T>
inline constexpr bool is_retry_if = false;
template <class F>
inline constexpr bool is_retry_if<retry_if_t<F>> = true;
template <class T>
inline constexpr bool is_jitter_from = false;
template <class G>
inline constexpr bool is_jitter_from<jitter_from_t<G>> = true;
template <class T>
inline constexpr bool is_delay_hint = false;
template <class F>
inline constexpr bool is_delay_hint<delay_hint_t<F>> = true;
template <class T>
inline constexpr bool is_on_retry = false;
template <class F>
inline constexpr bool is_on_retry<on_retry_t<F>> = true;

/// The kinds of argument.
struct limit_kind {
    template <class T>
    static constexpr bool matches = is_limit<T>;
};
struct options_kind {
    template <class T>
    static constexpr bool matches = is_options<T>;
};
struct overload_if_kind {
    template <class T>
    static constexpr bool matches = is_overload_if<T>;
};
struct on_kind {
    template <class T>
    static constexpr bool matches = is_on<T>;
};
struct observer_kind {
    template <class T>
    static constexpr bool matches = observer<T>;
};
struct retry_policy_kind {
    template <class T>
    static constexpr bool matches = is_retry_policy<T>;
};
struct retry_if_kind {
    template <class T>
    static constexpr bool matches = is_retry_if<T>;
};
struct jitter_from_kind {
    template <class T>
    static constexpr bool matches = is_jitter_from<T>;
};
struct delay_hint_kind {
    template <class T>
    static constexpr bool matches = is_delay_hint<T>;
};
struct on_retry_kind {
    template <class T>
    static constexpr bool matches = is_on_retry<T>;
};
struct budget_kind {
    template <class T>
    static constexpr bool matches = retry_budget<T>;
};

template <class A>
inline constexpr bool is_plain_argument =
    is_limit<std::remove_cvref_t<A>> || is_overload_if<std::remove_cvref_t<A>> ||
    is_options<std::remove_cvref_t<A>> || is_on<std::remove_cvref_t<A>> || observer<std::remove_cvref_t<A>>;

template <class A>
inline constexpr bool is_retry_argument =
    is_retry_policy<std::remove_cvref_t<A>> || is_retry_if<std::remove_cvref_t<A>> ||
    is_jitter_from<std::remove_cvref_t<A>> || is_delay_hint<std::remove_cvref_t<A>> ||
    is_on_retry<std::remove_cvref_t<A>> || retry_budget<std::remove_cvref_t<A>>;

template <class Kind, class... As>
inline constexpr std::size_t count_of =
    (std::size_t{0} + ... + (Kind::template matches<std::remove_cvref_t<As>> ? 1 : 0));

/// Refuses, by name, what is not an argument of a combinator, and what is given twice.
template <bool Retries, class... As>
consteval void check_arguments() {
    static_assert(
        (... && (is_plain_argument<As> || is_retry_argument<As>)),
        "fanout: an argument is none of a limit (fanout::limit(n), a semaphore, fanout::all_of(...), ...), "
        "fanout::overload_if(f), fanout::options{...}, an observer, fanout::on(executor); nor, for retry and "
        "retry_rejected, of a retry_policy, retry_if(f), delay_hint(f), on_retry(f), jitter_from(g), a "
        "budget");
    static_assert(
        Retries || (... && !is_retry_argument<As>),
        "fanout: a retry_policy, retry_if, delay_hint, on_retry, jitter_from and a retry budget are "
        "arguments of retry and retry_rejected only");
    static_assert(count_of<limit_kind, As...> <= 1,
                  "fanout: more than one limit: give them as one, fanout::all_of(a, b, ...)");
    static_assert(
        (... && (std::is_lvalue_reference_v<As> || !admission<std::remove_cvref_t<As>>)),
        "fanout: a shared limit given as a temporary would be gone before the call ends: give it a name");
    static_assert(count_of<overload_if_kind, As...> <= 1, "fanout: more than one overload_if");
    static_assert(count_of<options_kind, As...> <= 1, "fanout: fanout::options is given twice");
    static_assert(count_of<on_kind, As...> <= 1, "fanout: fanout::on is given twice");
    static_assert(count_of<observer_kind, As...> <= 1,
                  "fanout: more than one observer: give them as one, fanout::observe(a, b, ...)");
    static_assert((... && (!observer<std::remove_cvref_t<As>> || keeps_hooks<As>)),
                  "fanout: an observer is const, but its hooks are not");
    static_assert(count_of<retry_policy_kind, As...> <= 1, "fanout: more than one retry_policy");
    static_assert(count_of<retry_if_kind, As...> <= 1, "fanout: more than one retry_if");
    static_assert(count_of<jitter_from_kind, As...> <= 1, "fanout: more than one jitter_from");
    static_assert(count_of<delay_hint_kind, As...> <= 1, "fanout: more than one delay_hint");
    static_assert(count_of<on_retry_kind, As...> <= 1, "fanout: more than one on_retry");
    static_assert(count_of<budget_kind, As...> <= 1, "fanout: more than one retry budget");
    static_assert(
        (... && (!std::is_const_v<std::remove_reference_t<As>> || !retry_budget<std::remove_cvref_t<As>>)),
        "fanout: a retry budget is withdrawn from, so it cannot be const");
    static_assert(
        (... && (std::is_lvalue_reference_v<As> || !retry_budget<std::remove_cvref_t<As>>)),
        "fanout: a retry budget given as a temporary would be gone before the call ends: give it a name");
}

/// The argument of a kind, as it was passed, or the default.
template <class Kind, class Default>
constexpr Default pick(Default d) {
    return d;
}
template <class Kind, class Default, class A, class... As>
constexpr decltype(auto) pick(Default d, A&& a, As&&... as) {
    if constexpr (Kind::template matches<std::remove_cvref_t<A>>) {
        return std::forward<A>(a);
    } else {
        return pick<Kind>(std::move(d), std::forward<As>(as)...);
    }
}
template <class Kind, class Default, class... As>
using picked_t = decltype(pick<Kind>(std::declval<Default>(), std::declval<As>()...));

/// The clock of a call, by its options.
template <class... As>
using clock_of = typename std::remove_cvref_t<picked_t<options_kind, options, As...>>::clock_type;

/// Where no executor was given by `on`.
struct no_executor {};

/// Without `overload_if` no rejection means overload.
struct never_overload {
    constexpr bool operator()(error_code const&, std::exception_ptr const&) const noexcept { return false; }
};

/// Where no options were given: neither a deadline nor a timeout, which then cost nothing.
struct no_times {
    using clock_type = options::clock_type;
    static constexpr std::optional<clock_type::duration> attempt_timeout{};
    static constexpr std::optional<deadline_at<clock_type>> deadline{};
};

/// The arguments of a combinator, in one place.
template <class Times, class ObserverArg, class On, class Limits, class Overload, bool Unlimited>
struct settings {
    using clock = typename Times::clock_type;
    static constexpr bool timed = !std::is_same_v<Times, no_times>;
    static constexpr bool is_unlimited = Unlimited;
    using observer_type = std::remove_cvref_t<ObserverArg>;
    using on_type = On;
    using admission_type = decltype(Limits::admission);
    using keys_type = decltype(Limits::keys);

    [[no_unique_address]] Limits limits;
    [[no_unique_address]] Times times;
    [[no_unique_address]] observer_holder<ObserverArg> watcher;
    [[no_unique_address]] On on_executor;
    [[no_unique_address]] Overload overload;
};

template <class... As>
constexpr auto make_settings(As&&... as) {
    auto const times = pick<options_kind>(no_times{}, std::forward<As>(as)...);
    using times_type = std::remove_cv_t<decltype(times)>;
    using clock = typename times_type::clock_type;
    if (times.attempt_timeout && *times.attempt_timeout <= clock::duration::zero()) {
        throw std::invalid_argument("fanout::options: attempt_timeout must be more than 0");
    }
    using observer_arg = picked_t<observer_kind, no_observer, As...>;
    using held = std::conditional_t<std::is_lvalue_reference_v<observer_arg>, observer_arg,
                                    std::remove_reference_t<observer_arg>>;
    auto&& limit = pick<limit_kind>(unlimited, std::forward<As>(as)...);
    auto limits = limit_parts_in(limit);
    auto overload = pick<overload_if_kind>(never_overload{}, std::forward<As>(as)...);
    auto where = [&] {
        if constexpr (count_of<on_kind, As...> == 0) {
            return no_executor{};
        } else {
            return pick<on_kind>(no_executor{}, std::forward<As>(as)...).executor();
        }
    }();
    return settings<times_type, held, decltype(where), decltype(limits), decltype(overload),
                    std::is_same_v<std::remove_cvref_t<decltype(limit)>, unlimited_t>>{
        std::move(limits), times,
        observer_holder<held>(pick<observer_kind>(no_observer{}, std::forward<As>(as)...)), std::move(where),
        std::move(overload)};
}

} // namespace fanout::detail
