// SPDX-License-Identifier: BSL-1.0
#pragma once

// Time that moves only when a test moves it: a clock for Asio's timers and for `basic_options`, and what runs an
// io_context from timer to timer without waiting.

#include <fanout/detail/requirements.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>

namespace fanout::testing {

/// A clock that stands still until it is moved. Give it to code that takes its clock as a template parameter:
///
///     asio::basic_waitable_timer<virtual_clock> timer(context, 1h);
///     fanout::retry_rejected(urls, fetch, fanout::basic_options<virtual_clock>{});
///     fanout::testing::run(context); // an hour or more, at once
///
/// A context that has timers of this clock is run by `run`, `run_for`, `run_until` and `advance`; its own `run()`
/// would spin until somebody moves the time, and so would a timer's blocking `wait()`.
///
/// @par Thread safety
///   Each thread has a time of its own, so tests on several threads do not disturb each other. A context is run by
///   one thread, and its timers are set there.
class virtual_clock {
public:
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<virtual_clock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return current; } ///< the time it is on this thread

    /// Moves the time by `d` in one jump, then lets the context do what is due: timers in between fire late, as in a
    /// process that was busy or suspended. With 0 it does what is due now.
    ///
    /// @throws as `run_for`
    static void advance(duration d, boost::asio::io_context& context);

    /// The time it is on this thread, the clock's epoch at first. A test may set it, backwards too; what is due then
    /// runs when a context is run.
    static inline constinit thread_local time_point current{};
};

} // namespace fanout::testing

namespace fanout::detail {

/// How long it was until the earliest timer when a reactor of this thread looked last; less than 0: overdue.
inline constinit thread_local std::optional<std::chrono::nanoseconds> until_earliest_timer{};

} // namespace fanout::detail

/// Asio asks this how long a reactor may sleep for the earliest of its timers. Not at all: it looks again at each
/// turn. And from the question the functions below know where to jump.
template <>
struct boost::asio::wait_traits<fanout::testing::virtual_clock> {
    using clock = fanout::testing::virtual_clock;

    static clock::duration to_wait_duration(clock::duration const& d) noexcept {
        fanout::detail::until_earliest_timer = d;
        return clock::duration::zero();
    }

    static clock::duration to_wait_duration(clock::time_point const&) noexcept {
        return clock::duration::zero();
    }
};

namespace fanout::detail {

using testing::virtual_clock;

/// The time `d` from now; `time_point::max()`, which is never, where it cannot be counted.
inline virtual_clock::time_point virtual_time_in(virtual_clock::duration d) noexcept {
    using time_point = virtual_clock::time_point;
    auto const now = virtual_clock::now();
    if (d == (virtual_clock::duration::max)() || (now > time_point() && d > (time_point::max)() - now)) {
        return (time_point::max)();
    }
    return d.count() > 0 ? now + d : now;
}

/// Makes the reactor look at the timers, for it need not do so in a `poll()`: epoll's learns by a timerfd, a moment
/// later, that it should. False where handlers ran meanwhile, so that what it saw may be out of date.
inline bool look_at_timers(boost::asio::io_context& context) {
    auto const ended = std::make_shared<bool>(false);
    std::size_t ran = 0;
    {
        // There is one timer at least, so the reactor will look; it is never due, so it hides no other.
        boost::asio::basic_waitable_timer<virtual_clock> never(context, (virtual_clock::time_point::max)());
        never.async_wait([ended](boost::system::error_code const&) { *ended = true; });
        while (!until_earliest_timer && ran == 0 && !context.stopped()) {
            ran = context.run_one_for(std::chrono::milliseconds(1));
        }
    }
    auto const seen = until_earliest_timer;
    while (!*ended && !context.stopped()) {
        ran += context.poll_one();
    }
    until_earliest_timer = seen;
    return ran == 1;
}

/// Runs what can run without time passing; tells when the next timer is due. `time_point::max()`: none ever is, or
/// the context is stopped.
inline virtual_clock::time_point run_what_is_due(boost::asio::io_context& context) {
    for (;;) {
        do { // what was seen before a handler ran may be out of date: of a timer that is gone, or of another context
            until_earliest_timer.reset();
        } while (context.poll_one() != 0);
        if (context.stopped()) {
            return (virtual_clock::time_point::max)();
        }
        if (!until_earliest_timer && !look_at_timers(context)) {
            continue;
        }
        auto const next = virtual_time_in(*until_earliest_timer);
        if (next > virtual_clock::now()) {
            return next;
        }
    }
}

inline void begin_virtual_run(boost::asio::io_context& context) {
    if (context.get_executor().running_in_this_thread()) {
        throw std::logic_error("fanout::testing: a handler of this context asks to run the context");
    }
    if (context.stopped()) {
        context.restart();
    }
}

inline void require_virtual_time(bool is_later) {
    if (!is_later) {
        throw std::invalid_argument("fanout::testing: a virtual_clock runs forwards, and not beyond its end");
    }
}

} // namespace fanout::detail

namespace fanout::testing {

/// Runs the context until it has no more work, or is stopped. The time jumps from timer to timer, and each handler
/// runs at exactly the time that its timer is due; those of the same time run without time passing.
///
///     asio::co_spawn(context, download(client, urls), asio::detached);
///     CHECK(fanout::testing::run(context) == 90min);
///
/// A timer at `time_point::max()` is never due. A context that was stopped is restarted first.
///
/// @param context has the timers; no other thread runs it
/// @returns the virtual time that passed
/// @throws std::logic_error where there is work, but no timer of this clock that will ever be due: it waits for a
///   socket, for another clock or thread, or for ever. Also where a handler of the same context calls this.
/// @par Exception safety
///   An exception that leaves a handler leaves this function. The time stays at the handler's, and the next call
///   goes on from there.
inline virtual_clock::duration run(boost::asio::io_context& context) {
    fanout::detail::begin_virtual_run(context);
    auto const start = virtual_clock::now();
    for (;;) {
        auto const next = fanout::detail::run_what_is_due(context);
        if (context.stopped()) {
            return virtual_clock::now() - start;
        }
        if (next == (virtual_clock::time_point::max)()) {
            throw std::logic_error(
                "fanout::testing::run: the context has work, but no timer of virtual_clock is "
                "pending: something waits for a socket, for another clock or thread, or for ever");
        }
        virtual_clock::current = next;
    }
}

/// Runs all that is due until `t`, at `t` too, each handler at its own time as `run` does; then it is `t`. A handler
/// that stops the context ends this at once: then it is the handler's time.
///
/// @param context as of `run`
/// @param t the time it is in the end
/// @throws std::invalid_argument where `t` is in the past, or `time_point::max()`; std::logic_error where a handler
///   of the same context calls this
/// @par Exception safety
///   As `run`.
inline void run_until(boost::asio::io_context& context, virtual_clock::time_point t) {
    fanout::detail::require_virtual_time(t >= virtual_clock::now() && t < (virtual_clock::time_point::max)());
    fanout::detail::begin_virtual_run(context);
    auto const work = boost::asio::make_work_guard(context); // so that it is stopped by a handler alone
    for (;;) {
        auto const next = fanout::detail::run_what_is_due(context);
        if (context.stopped()) {
            return;
        }
        if (next > t) {
            break;
        }
        virtual_clock::current = next;
    }
    virtual_clock::current = (std::max)(virtual_clock::current, t); // a handler may have moved it on
}

/// Likewise, until `d` from now.
///
/// @param context as of `run`
/// @param d at least 0
/// @throws std::invalid_argument where `d` is negative, or leads beyond what the clock can count; std::logic_error
///   where a handler of the same context calls this
inline void run_for(boost::asio::io_context& context, virtual_clock::duration d) {
    fanout::detail::require_virtual_time(d.count() >= 0);
    run_until(context, fanout::detail::virtual_time_in(d));
}

inline void virtual_clock::advance(duration d, boost::asio::io_context& context) {
    auto const t = fanout::detail::virtual_time_in(d);
    fanout::detail::require_virtual_time(d.count() >= 0 && t < (time_point::max)());
    fanout::detail::begin_virtual_run(context);
    current = t;
    fanout::detail::run_what_is_due(context);
}

} // namespace fanout::testing
