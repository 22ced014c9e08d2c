// SPDX-License-Identifier: BSL-1.0
#pragma once

// The arguments behind a combinator's children: each at most once, in any order, told apart by what they are.

#include <fanout/limit/window.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/options.hpp>
#include <fanout/retry/policy.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fanout {

/// What `named(std::move(f))` makes.
template <class F>
class named_t {
public:
    constexpr explicit named_t(F&& f) noexcept(std::is_nothrow_move_constructible_v<F>) : function_(std::move(f)) {}

    template <class... Args>
    constexpr decltype(auto) operator()(Args&&... args) {
        return std::invoke(function_, std::forward<Args>(args)...);
    }

private:
    F function_;
};

/// Says of a lambda that it has a name and was moved here. GCC before 13 destroys the captures of a lambda that
/// is written inside a `co_await` expression twice, so there a combinator refuses a temporary lambda whose
/// captures need a destructor, unless it is given like this:
///
///     auto write = [table](video const& v) { return table->append(v); };
///     co_await fanout::when_all(rows, fanout::named(std::move(write)));
template <class F>
    requires(!std::is_lvalue_reference_v<F>)
constexpr named_t<F> named(F&& f) {
    return named_t<F>(std::move(f));
}

namespace detail {

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool closures_are_destroyed_twice = true;
#else
inline constexpr bool closures_are_destroyed_twice = false;
#endif

template <class T>
consteval bool is_closure() {
#if defined(__GNUC__)
    std::string_view name = __PRETTY_FUNCTION__;
    // The type of a closure ends its name: "…<lambda(…)>". A class that merely has one as an argument does not.
    auto const with = name.find("[with T = ");
    name = name.substr(with == name.npos ? 0 : with);
    auto const lambda = name.rfind("<lambda(");
    return lambda != name.npos && name.find('<') == lambda;
#else
    return false;
#endif
}

/// True for a callable that GCC before 13 would destroy twice: see `named`.
template <class F> // F as deduced for a forwarding reference
inline constexpr bool unsafe_closure = closures_are_destroyed_twice && !std::is_lvalue_reference_v<F> &&
                                       !std::is_trivially_destructible_v<std::remove_cvref_t<F>> &&
                                       is_closure<std::remove_cvref_t<F>>();

template <class F>
consteval void refuse_unsafe_closure() {
    static_assert(!unsafe_closure<F>,
                  "fanout: GCC before 13 destroys the captures of a lambda written inside a co_await expression "
                  "twice. Give the lambda a name first, `auto f = [...]...;`, and pass `f` or "
                  "`fanout::named(std::move(f))`");
}

template <class T>
inline constexpr bool is_limit = std::same_as<T, window> || std::same_as<T, unlimited_t>;
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

/// The kinds of argument.
struct limit_kind {
    template <class T>
    static constexpr bool matches = is_limit<T>;
};
struct options_kind {
    template <class T>
    static constexpr bool matches = is_options<T>;
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

template <class A>
inline constexpr bool is_plain_argument =
    is_limit<std::remove_cvref_t<A>> || is_options<std::remove_cvref_t<A>> || is_on<std::remove_cvref_t<A>> ||
    observer<std::remove_cvref_t<A>>;

template <class A>
inline constexpr bool is_retry_argument = is_retry_policy<std::remove_cvref_t<A>> ||
                                          is_retry_if<std::remove_cvref_t<A>> ||
                                          is_jitter_from<std::remove_cvref_t<A>>;

template <class Kind, class... As>
inline constexpr std::size_t count_of = (std::size_t{0} + ... + (Kind::template matches<std::remove_cvref_t<As>> ? 1 : 0));

/// Refuses, by name, what is not an argument of a combinator, and what is given twice.
template <bool Retries, class... As>
consteval void check_arguments() {
    static_assert((... && (is_plain_argument<As> || is_retry_argument<As>)),
                  "fanout: an argument is none of a limit (fanout::limit(n), fanout::unlimited), fanout::options{...}, "
                  "an observer, fanout::on(executor)");
    static_assert(Retries || (... && !is_retry_argument<As>),
                  "fanout: retry_policy, retry_if and jitter_from are arguments of retry_rejected only");
    static_assert(count_of<limit_kind, As...> <= 1, "fanout: more than one limit");
    static_assert(count_of<options_kind, As...> <= 1, "fanout: fanout::options is given twice");
    static_assert(count_of<on_kind, As...> <= 1, "fanout: fanout::on is given twice");
    static_assert(count_of<observer_kind, As...> <= 1, "fanout: more than one observer");
    static_assert(count_of<retry_policy_kind, As...> <= 1, "fanout: more than one retry_policy");
    static_assert(count_of<retry_if_kind, As...> <= 1, "fanout: more than one retry_if");
    static_assert(count_of<jitter_from_kind, As...> <= 1, "fanout: more than one jitter_from");
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

/// What holds an observer: a pointer to the caller's, or the one that was moved in.
template <class O>
class observer_holder {
public:
    explicit observer_holder(O&& o) : value_(std::move(o)) {}
    O& operator*() noexcept { return value_; }

private:
    [[no_unique_address]] O value_;
};
template <class O>
class observer_holder<O&> {
public:
    explicit observer_holder(O& o) noexcept : value_(&o) {}
    O& operator*() noexcept { return *value_; }

private:
    O* value_;
};

/// Where no executor was given by `on`.
struct no_executor {};

/// The arguments of a combinator, in one place.
template <class Clock, class ObserverArg, class On>
struct settings {
    using clock = Clock;
    using observer_type = std::remove_cvref_t<ObserverArg>;
    using on_type = On;

    std::size_t window;
    basic_options<Clock> times;
    [[no_unique_address]] observer_holder<ObserverArg> watcher;
    [[no_unique_address]] On on_executor;
};

template <class... As>
constexpr auto make_settings(As&&... as) {
    auto const times = pick<options_kind>(options{}, std::forward<As>(as)...);
    using clock = typename std::remove_cvref_t<decltype(times)>::clock_type;
    if (times.attempt_timeout && *times.attempt_timeout <= clock::duration::zero()) {
        throw std::invalid_argument("fanout::options: attempt_timeout must be more than 0");
    }
    using observer_arg = picked_t<observer_kind, no_observer, As...>;
    using held = std::conditional_t<std::is_lvalue_reference_v<observer_arg>, observer_arg,
                                    std::remove_reference_t<observer_arg>>;
    auto const limit = pick<limit_kind>(unlimited, std::forward<As>(as)...);
    if constexpr (count_of<on_kind, As...> == 0) {
        return settings<clock, held, no_executor>{
            limit.permits(), times,
            observer_holder<held>(pick<observer_kind>(no_observer{}, std::forward<As>(as)...)), {}};
    } else {
        auto const where = pick<on_kind>(no_executor{}, std::forward<As>(as)...);
        using executor = typename std::remove_cvref_t<decltype(where)>::executor_type;
        return settings<clock, held, executor>{
            limit.permits(), times,
            observer_holder<held>(pick<observer_kind>(no_observer{}, std::forward<As>(as)...)), where.executor()};
    }
}

} // namespace detail
} // namespace fanout
