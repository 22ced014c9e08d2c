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

#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>

#include <chrono>
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

template <class A>
inline constexpr bool is_argument = is_plain_argument<A> || is_retry_argument<A>;

/// What is easily taken for an argument.
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_place = boost::asio::execution::is_executor<T>::value ||
                                 std::is_convertible_v<T&, boost::asio::execution_context&>;

/// It is something else than an observer, and may have functions that are called like hooks.
template <class A>
inline constexpr bool is_unwatched = is_argument<A> && !observer<std::remove_cvref_t<A>>;

/// Refuses what must say what it is for, and hooks that nobody would call. (In these checks each rule has a name,
/// since clang shows the rule before the sentence.)
template <class... As>
consteval bool check_bare_values() {
    constexpr bool no_number = (... && !std::is_arithmetic_v<std::remove_cvref_t<As>>);
    static_assert(no_number, "fanout: a number is no limit: write fanout::limit(n)");
    constexpr bool no_duration = (... && !is_duration<std::remove_cvref_t<As>>);
    static_assert(no_duration,
                  "fanout: a duration must say what for: write fanout::options{.attempt_timeout = t} "
                  "or fanout::options{.deadline = t}");
    constexpr bool no_executor = (... && (is_argument<As> || !is_place<std::remove_cvref_t<As>>));
    static_assert(no_executor, "fanout: an executor is given as fanout::on(executor)");
    constexpr bool right_hooks = (... && (is_unwatched<As> || !has_wrong_hook<std::remove_cvref_t<As>>));
    static_assert(right_hooks,
                  "fanout: an observer has a hook that cannot be called: each takes its event, "
                  "on_started(started_event const&), on_settled(settled_event const&), and so on");
    return no_number && no_duration && no_executor && right_hooks;
}

template <bool Right, class... As>
consteval bool check_bare_values_unless() {
    if constexpr (Right) {
        return true;
    } else {
        return check_bare_values<As...>();
    }
}

/// Refuses, by name, what is not an argument of a combinator, and what is given twice.
template <bool Retries, class... As>
consteval bool check_arguments() {
    constexpr bool no_bare_values = check_bare_values<As...>();
    constexpr bool known = (... && is_argument<As>);
    static_assert(
        known || !no_bare_values,
        "fanout: an argument is none of a limit (fanout::limit(n), a semaphore, fanout::all_of(...), ...), "
        "fanout::overload_if(f), fanout::options{...}, an observer, fanout::on(executor); nor, for retry and "
        "retry_rejected, of a retry_policy, retry_if(f), delay_hint(f), on_retry(f), jitter_from(g), a "
        "budget");
    constexpr bool may_retry = Retries || (... && !is_retry_argument<As>);
    static_assert(may_retry,
                  "fanout: a retry_policy, retry_if, delay_hint, on_retry, jitter_from and a retry "
                  "budget are arguments of retry and retry_rejected only");
    constexpr bool one_limit = count_of<limit_kind, As...> <= 1;
    static_assert(one_limit, "fanout: more than one limit: give them as one, fanout::all_of(a, b, ...)");
    constexpr bool shared_limits = check_shared_limits<As...>();
    constexpr bool one_overload_if = count_of<overload_if_kind, As...> <= 1;
    static_assert(one_overload_if, "fanout: more than one overload_if");
    constexpr bool one_options = count_of<options_kind, As...> <= 1;
    static_assert(one_options, "fanout: fanout::options is given twice");
    constexpr bool one_on = count_of<on_kind, As...> <= 1;
    static_assert(one_on, "fanout: fanout::on is given twice");
    constexpr bool one_observer = count_of<observer_kind, As...> <= 1;
    static_assert(one_observer,
                  "fanout: more than one observer: give them as one, fanout::observe(a, b, ...)");
    constexpr bool mutable_observer = (... && (!observer<std::remove_cvref_t<As>> || keeps_hooks<As>));
    static_assert(mutable_observer, "fanout: an observer is const, but its hooks are not");
    constexpr bool one_policy = count_of<retry_policy_kind, As...> <= 1;
    static_assert(one_policy, "fanout: more than one retry_policy");
    constexpr bool one_retry_if = count_of<retry_if_kind, As...> <= 1;
    static_assert(one_retry_if, "fanout: more than one retry_if");
    constexpr bool one_jitter_from = count_of<jitter_from_kind, As...> <= 1;
    static_assert(one_jitter_from, "fanout: more than one jitter_from");
    constexpr bool one_delay_hint = count_of<delay_hint_kind, As...> <= 1;
    static_assert(one_delay_hint, "fanout: more than one delay_hint");
    constexpr bool one_on_retry = count_of<on_retry_kind, As...> <= 1;
    static_assert(one_on_retry, "fanout: more than one on_retry");
    constexpr bool one_budget = count_of<budget_kind, As...> <= 1;
    static_assert(one_budget, "fanout: more than one retry budget");
    constexpr bool mutable_budget =
        (... && (!std::is_const_v<std::remove_reference_t<As>> || !retry_budget<std::remove_cvref_t<As>>));
    static_assert(mutable_budget, "fanout: a retry budget is withdrawn from, so it cannot be const");
    constexpr bool lasting_budget =
        (... && (std::is_lvalue_reference_v<As> || !retry_budget<std::remove_cvref_t<As>>));
    static_assert(
        lasting_budget,
        "fanout: a retry budget given as a temporary would be gone before the call ends: give it a name");
    return known && may_retry && one_limit && shared_limits && one_overload_if && one_options && one_on &&
           one_observer && mutable_observer && one_policy && one_retry_if && one_jitter_from &&
           one_delay_hint && one_on_retry && one_budget && mutable_budget && lasting_budget;
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
