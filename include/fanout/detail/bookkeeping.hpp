// SPDX-License-Identifier: BSL-1.0
#pragma once

// The state of a fan-out and what is noted in it: permits taken, outcomes, stops, when the timer is to fire. The
// engine, fan_out, does the rest.

#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/lane_store.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/detail/wakeup.hpp>
#include <fanout/observe/observer.hpp>

#include <boost/asio/cancellation_type.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

struct no_mutex {
    static void lock() noexcept {}
    static void unlock() noexcept {}
};

/// The base of `FanOut`. Where it is `Threaded`, whoever calls holds the mutex, by a `guard`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class bookkeeping {
public:
    using clock = typename Job::clock;
    using time_point = typename clock::time_point;
    using lane_type = lane<time_point, typename Job::item, Executor>;
    using guard = std::lock_guard<std::conditional_t<Threaded, std::mutex, no_mutex>>;

    bookkeeping(Job&& job, Allocator const& allocator)
        : job_(std::move(job)),
          start_(job_.needs_clock() ? clock::now() : time_point()),
          deadline_(job_.deadline(start_)),
          core_(job_.config(deadline_)),
          lanes_(allocator) {}
    bookkeeping(bookkeeping const&) = delete;
    bookkeeping& operator=(bookkeeping const&) = delete;

    /// What the handler is called with, after the end. Where there is no memory for it, that is what it says.
    auto safe_result() {
        using result_type = decltype(job_.finish(std::declval<ending>()));
        if constexpr (std::is_same_v<result_type, std::exception_ptr>) {
            return result();
        } else {
            using value = typename result_type::second_type;
            try {
                return result();
            } catch (...) {
                if constexpr (std::is_default_constructible_v<value>) {
                    return result_type(std::current_exception(), value());
                } else if constexpr (requires {
                                         value(boost::outcome_v2::in_place_type<error_code>, error_code());
                                     }) {
                    return result_type(std::current_exception(),
                                       value(boost::outcome_v2::in_place_type<error_code>, errc::exception));
                } else {
                    throw; // outcomes of single children, which are merely moved
                }
            }
        }
    }

protected:
    // ---- work

    /// Takes a permit and something to run with it, which starts now.
    bool take_work(lane_type& l) {
        auto const taken = take_permit(l);
        if (taken) {
            note_started(l);
        }
        return taken;
    }

    bool take_permit(lane_type& l) {
        if (deadline_ && !cancelled_) { // the timer may be late
            heed_deadline(clock::now());
        }
        auto const g = core_.take();
        if (g == grant::none) {
            arm();
            return false;
        }
        try {
            if (g == grant::retry) {
                std::tie(l.work, l.item) = core_.retry();
                arm();
                return true;
            }
            if (!job_.pull(l.item)) {
                core_.source_ended();
                return take_permit(l); // an input whose sleep is over may be there; a fresh one is not
            }
            job_.open(core_.pulled_count());
        } catch (...) { // the source threw, or there is no memory
            core_.source_failed();
            fail_source();
            return false;
        }
        l.work = core_.pulled();
        if (core_.stopped() != stop_cause::none) { // by the source itself
            core_.skipped(l.work);
            return false;
        }
        return true;
    }

    /// Stops where the time `now` is past the deadline.
    void heed_deadline(time_point now) noexcept {
        if (deadline_ && !(now < *deadline_)) {
            stop(stop_cause::deadline, cancel_cause::timeout);
        }
    }

    void note_started(lane_type& l) {
        l.running = true;
        l.cause = cancel_cause::none;
        ++l.incarnation;
        constexpr bool watched =
            has_on_started<typename Job::observer_type> || has_on_settled<typename Job::observer_type>;
        if (watched || job_.attempt_timeout()) {
            l.started = clock::now();
        }
        if (job_.attempt_timeout()) {
            l.timeout = later_by(l.started, *job_.attempt_timeout());
            lanes_.time(l);
            arm();
        }
        if constexpr (has_on_started<typename Job::observer_type>) {
            job_.observer().on_started({l.work.index, l.work.attempt, core_.in_flight(), l.started - start_});
        }
    }

    void note_fulfilled(lane_type& l) {
        note_settled(l);
        core_.fulfilled();
        tell_settled(l, state::fulfilled, {}, false);
    }

    void note_settled(lane_type& l) noexcept {
        l.running = false;
        lanes_.untime(l);
    }

    void tell_settled(lane_type& l, state what, error_code const& code, bool retried) {
        if constexpr (has_on_settled<typename Job::observer_type>) {
            auto const now = clock::now();
            job_.observer().on_settled({l.work.index, l.work.attempt, core_.in_flight(), what, code, retried,
                                        now - l.started, now - start_});
        }
    }

    /// A time point that is later by `d`, or the last there is.
    static time_point later_by(time_point t, auto d) noexcept {
        auto const step = std::chrono::ceil<typename clock::duration>(d);
        return step > (time_point::max)() - t ? (time_point::max)() : t + step;
    }

    /// Whether a child's error says no more than that it was cancelled. A fan-out that is a child says so by its own
    /// code for a cancelled caller, which is us.
    static bool says_cancelled(error_code const& code) noexcept {
        return code == boost::system::errc::operation_canceled &&
               (code.category() != category() || code == errc::cancelled_by_caller);
    }

    template <class Which>
    void reject(lane_type& l, Which which, error_code code, std::exception_ptr exception) noexcept {
        note_settled(l);
        if (l.cause != cancel_cause::none && says_cancelled(code)) {
            code = l.cause == cancel_cause::timeout   ? errc::timed_out
                   : l.cause == cancel_cause::sibling ? errc::cancelled_by_sibling
                                                      : errc::cancelled_by_caller;
            exception = nullptr;
        }
        job_.error(which, l.work.index, code, exception);
        auto const what = state_of(code);
        bool const cancelled = l.cause == cancel_cause::sibling || l.cause == cancel_cause::caller;
        std::optional<std::chrono::nanoseconds> delay;
        switch (core_.rejected(l.work, !cancelled && job_.may_retry(l.work.index))) {
        case verdict::final: break;
        case verdict::stop:
            if (!std::exchange(rejected_, true)) {
                code_ = code;
                exception_ = std::move(exception);
            }
            stop(stop_cause::rejection, cancel_cause::sibling);
            break;
        case verdict::retry: delay = sleep(l); break;
        }
        tell_settled(l, what, code, delay.has_value());
        if constexpr (has_on_retry<typename Job::observer_type>) {
            if (delay) {
                job_.observer().on_retry({l.work.index, l.work.attempt, *delay, clock::now() - start_});
            }
        }
    }

    /// Puts the lane's input to sleep, for how long it says; not, where that would pass the deadline.
    std::optional<std::chrono::nanoseconds> sleep(lane_type& l) noexcept {
        if constexpr (Job::retries) {
            try {
                std::chrono::nanoseconds const delay = job_.delay(l.work.attempt);
                if (core_.sleep(l.work, later_by(clock::now(), delay), std::move(l.item))) {
                    arm();
                    return delay;
                }
            } catch (...) {
                // No memory to remember the input, or a backoff that throws: its last error stands.
            }
        }
        return std::nullopt;
    }

    // ---- stopping

    void stop(stop_cause cause, cancel_cause cancel) noexcept {
        core_.stop(cause);
        if (cancel != cancel_cause::none && cancel_ == cancel_cause::none && !cancelled_) {
            cancel_ = cancel; // leave() emits it
        }
    }

    void fail_source() noexcept {
        if (!source_error_) {
            source_error_ = std::current_exception();
        }
        stop(stop_cause::source, Job::fail_fast ? cancel_cause::sibling : cancel_cause::none);
    }

    /// The caller cancels: partial and total stop what has not started, terminal ends the running children too.
    void note_cancel(boost::asio::cancellation_type type) {
        using boost::asio::cancellation_type;
        auto const has = [type](cancellation_type bit) { return (type & bit) != cancellation_type::none; };
        if (has(cancellation_type::terminal)) {
            stop(stop_cause::caller, cancel_cause::caller);
        } else if (has(cancellation_type::partial) || has(cancellation_type::total)) {
            stop(stop_cause::caller, cancel_cause::none);
        }
    }

    /// Sees to it that the timer fires when something is due next.
    void arm() noexcept {
        auto due = core_.next_due();
        auto const sooner = [&due](time_point t) { due = due && *due < t ? *due : t; };
        if (auto* l = lanes_.soonest()) {
            sooner(l->timeout);
        }
        if (deadline_ && !cancelled_ && cancel_ == cancel_cause::none) {
            sooner(*deadline_);
        }
        if (due) {
            try {
                alarm_.set(static_cast<FanOut&>(*this), *due);
            } catch (...) { // no memory for the timer: better to end than to wait for ever
                fail_source();
            }
        }
    }

    auto result() {
        auto const pulled = core_.pulled_count();
        // A range is counted only where it was left before its end.
        auto const total = core_.exhausted() ? std::optional(pulled) : job_.total();
        ending e;
        e.source_error = std::move(source_error_);
        e.total = (std::max)(total.value_or(pulled), pulled);
        e.failed = rejected_;
        e.code = code_;
        e.exception = std::move(exception_);
        auto const all_ran = total && *total <= pulled && core_.skipped_count() == 0;
        if (!e.failed && !all_ran) {
            e.failed = true;
            e.code = core_.stopped() == stop_cause::deadline ? errc::timed_out : errc::cancelled_by_caller;
        }
        if constexpr (has_on_finished<typename Job::observer_type>) {
            auto const not_started = e.total - pulled + core_.skipped_count();
            job_.observer().on_finished({not_started, core_.abandoned(), clock::now() - start_});
        }
        return job_.finish(std::move(e));
    }

    [[no_unique_address]] std::conditional_t<Threaded, std::mutex, no_mutex> mutex_;
    Job job_;
    time_point start_;
    std::optional<time_point> deadline_;
    fan_core<time_point, typename Job::item> core_;
    lane_store<lane_type, Allocator> lanes_;
    wakeup<FanOut, clock, Executor> alarm_;
    std::size_t yielding_ = 0;                 ///< lanes that let others have a turn of the event loop
    bool stalled_ = false;                     ///< no lane was opened, since one was yielding
    cancel_cause cancel_ = cancel_cause::none; ///< asked for, not yet emitted
    bool cancelled_ = false;                   ///< emitted to all

private:
    bool rejected_ = false; ///< fail-fast: there is a first failure
    error_code code_;
    std::exception_ptr exception_;
    std::exception_ptr source_error_;
};

} // namespace fanout::detail
