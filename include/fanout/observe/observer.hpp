// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out tells an observer: the events, the hooks that may take them, and how observers are put together.

#include <fanout/outcome.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout {

/// Times in events are durations from the start of the fan-out, by its clock.
using since_start = std::chrono::nanoseconds;

/// The fan-out begins; comes first.
struct begun_event {
    std::optional<std::size_t> inputs; ///< how many there are, where that is known
};

/// A child starts.
struct started_event {
    std::size_t index;     ///< place of its input
    std::uint32_t attempt; ///< 1 for the first
    std::size_t in_flight; ///< children in flight, this one included
    since_start at;
    std::uint32_t lane =
        0; ///< which one runs it: a small number from 0 on, used again when the lane has ended
    std::chrono::nanoseconds
        waited{}; ///< for a permit: since the fan-out's start, or since its sleep was over
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
    std::uint32_t lane = 0;
    std::chrono::nanoseconds waited{}; ///< as it was when it started
    bool overloaded = false;           ///< it says that there was too much to do; an adaptive limit is told
};

/// A rejected input goes to sleep and will be run again.
struct retry_event {
    std::size_t index;
    std::uint32_t attempt; ///< the one that was rejected
    std::chrono::nanoseconds delay;
    since_start at;
};

/// How many children may be in flight: told at the beginning, and when a start or an end finds it changed. Not told
/// where the limit is no such number: without a limit, by rate, by key, by a weight that depends on the input.
struct limit_event {
    std::size_t limit;
    since_start at;
};

/// Why nothing more starts.
enum class stop_reason : std::uint8_t {
    rejection, ///< of a child of `when_all`
    caller,    ///< who cancelled
    deadline,
    source, ///< or the limit, or the memory, failed
};

/// Nothing more starts. Comes a second time where children are cancelled that were to end by themselves at first.
struct stopped_event {
    stop_reason why;
    bool cancels; ///< the children in flight are asked to end
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
concept has_on_begun = requires(O& o, begun_event const& e) { o.on_begun(e); };
template <class O>
concept has_on_started = requires(O& o, started_event const& e) { o.on_started(e); };
template <class O>
concept has_on_settled = requires(O& o, settled_event const& e) { o.on_settled(e); };
template <class O>
concept has_on_retry = requires(O& o, retry_event const& e) { o.on_retry(e); };
template <class O>
concept has_on_limit = requires(O& o, limit_event const& e) { o.on_limit(e); };
template <class O>
concept has_on_stopped = requires(O& o, stopped_event const& e) { o.on_stopped(e); };
template <class O>
concept has_on_finished = requires(O& o, finished_event const& e) { o.on_finished(e); };

/// It has a hook, and so is told the time.
template <class O>
concept watches = has_on_begun<O> || has_on_started<O> || has_on_settled<O> || has_on_retry<O> ||
                  has_on_limit<O> || has_on_stopped<O> || has_on_finished<O>;

/// Whether an argument can be told all that its class has hooks for: where it is const, the hooks must be, too.
template <class A, class O = std::remove_reference_t<A>, class Mutable = std::remove_cv_t<O>>
inline constexpr bool keeps_hooks =
    has_on_begun<O> == has_on_begun<Mutable> && has_on_started<O> == has_on_started<Mutable> &&
    has_on_settled<O> == has_on_settled<Mutable> && has_on_retry<O> == has_on_retry<Mutable> &&
    has_on_limit<O> == has_on_limit<Mutable> && has_on_stopped<O> == has_on_stopped<Mutable> &&
    has_on_finished<O> == has_on_finished<Mutable>;

template <class M>
concept member_function = std::is_member_function_pointer_v<M>;

/// It has a function that is called like a hook, and cannot be told by it. (Of one that is private, overloaded or a
/// template nothing is known.)
template <class O>
concept wrong_on_begun = !has_on_begun<O> && requires {
    { &O::on_begun } -> member_function;
};
template <class O>
concept wrong_on_started = !has_on_started<O> && requires {
    { &O::on_started } -> member_function;
};
template <class O>
concept wrong_on_settled = !has_on_settled<O> && requires {
    { &O::on_settled } -> member_function;
};
template <class O>
concept wrong_on_retry = !has_on_retry<O> && requires {
    { &O::on_retry } -> member_function;
};
template <class O>
concept wrong_on_limit = !has_on_limit<O> && requires {
    { &O::on_limit } -> member_function;
};
template <class O>
concept wrong_on_stopped = !has_on_stopped<O> && requires {
    { &O::on_stopped } -> member_function;
};
template <class O>
concept wrong_on_finished = !has_on_finished<O> && requires {
    { &O::on_finished } -> member_function;
};
template <class O>
concept has_wrong_hook =
    wrong_on_begun<O> || wrong_on_started<O> || wrong_on_settled<O> || wrong_on_retry<O> ||
    wrong_on_limit<O> || wrong_on_stopped<O> || wrong_on_finished<O>;

template <class O>
inline constexpr bool is_observers = false;

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

/// What stands for an observer where none was given.
struct no_observer {};

} // namespace detail

/// An observer is any class with at least one of the member functions `on_begun(begun_event const&)`,
/// `on_started(started_event const&)`, `on_settled(settled_event const&)`, `on_retry(retry_event const&)`,
/// `on_limit(limit_event const&)`, `on_stopped(stopped_event const&)`, `on_finished(finished_event const&)`.
///
/// A hook that is absent costs nothing, and one that is private, or overloaded and takes something else, is as good as
/// absent; any other that cannot be called with its event is refused by the combinator. Hooks are called one at a
/// time, also where children run on several threads; they must not throw, block, or call back into the fan-out. An
/// observer given as an lvalue is borrowed and must outlive the operation, as an rvalue it is moved in.
template <class O>
concept observer = detail::watches<O> || detail::is_observers<O>;

/// Several observers as one, made by `observe(a, b…)`. It has the hooks that any of them has.
template <class... Os>
class observers {
public:
    /// Refers to lvalues, moves in rvalues.
    explicit observers(Os&&... os) : parts_(detail::observer_holder<Os>(std::forward<Os>(os))...) {}

    /// @name Hooks: each observer is told, in the order in which they were given
    /// @{
    void on_begun(begun_event const& e)
        requires(... || detail::has_on_begun<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_begun auto& o) { o.on_begun(e); });
    }
    void on_started(started_event const& e)
        requires(... || detail::has_on_started<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_started auto& o) { o.on_started(e); });
    }
    void on_settled(settled_event const& e)
        requires(... || detail::has_on_settled<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_settled auto& o) { o.on_settled(e); });
    }
    void on_retry(retry_event const& e)
        requires(... || detail::has_on_retry<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_retry auto& o) { o.on_retry(e); });
    }
    void on_limit(limit_event const& e)
        requires(... || detail::has_on_limit<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_limit auto& o) { o.on_limit(e); });
    }
    void on_stopped(stopped_event const& e)
        requires(... || detail::has_on_stopped<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_stopped auto& o) { o.on_stopped(e); });
    }
    void on_finished(finished_event const& e)
        requires(... || detail::has_on_finished<std::remove_reference_t<Os>>)
    {
        each([&e](detail::has_on_finished auto& o) { o.on_finished(e); });
    }
    /// @}

private:
    void each(auto tell) {
        auto const if_it_has = [&tell](auto& o) {
            if constexpr (std::is_invocable_v<decltype(tell)&, decltype(o)>) {
                tell(o);
            }
        };
        std::apply([&](auto&... part) { (if_it_has(*part), ...); }, parts_);
    }

    [[no_unique_address]] std::tuple<detail::observer_holder<Os>...> parts_;
};

namespace detail {

template <class... Os>
inline constexpr bool is_observers<observers<Os...>> = true;

} // namespace detail

/// Puts observers together, as one argument of a combinator. Without any it is the empty observer, which costs nothing.
///
///     fanout::stats st;
///     fanout::recording rec;
///     co_await fanout::when_all_settled(rows, write, fanout::limit(64), fanout::observe(st, rec));
///
/// @param os Observers. Each event goes to each one, in the order in which they are given.
/// @returns An observer that has the hooks which any of them has.
/// @par Lifetimes
///   Those given as lvalues are borrowed, and must outlive the operation; rvalues are moved in.
template <class... Os>
    requires(... && observer<std::remove_cvref_t<Os>>)
observers<Os...> observe(Os&&... os) {
    static_assert((... && detail::keeps_hooks<Os>),
                  "fanout::observe: an observer is const, but its hooks are not");
    constexpr bool right_hooks = (... && !detail::has_wrong_hook<std::remove_cvref_t<Os>>);
    static_assert(right_hooks,
                  "fanout::observe: an observer has a hook that cannot be called: each takes its event, "
                  "on_started(started_event const&), on_settled(settled_event const&), and so on");
    return observers<Os...>(std::forward<Os>(os)...);
}

} // namespace fanout
