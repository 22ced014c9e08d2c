// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is noted of a fan-out's children: that they started, what they ended with, and what the caller gets at
// the end.

#include <fanout/concepts.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/retrying.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/detail/unwrap.hpp>
#include <fanout/observe/observer.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The base of `FanOut` above its retries. What is `note_…` or `tell_…` is called with the mutex held, by a `guard`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class bookkeeping : public retrying<FanOut, Job, Executor, Allocator, Threaded> {
    using base = retrying<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using typename base::clock;
    using typename base::guard;
    using typename base::lane_type;
    using typename base::time_point;

    using base::base;

    /// A child was fulfilled, with a value or without one.
    template <class Which, class... V>
    void fulfilled(lane_type& l, Which which, V&&... v) {
        guard lock(this->mutex_);
        job_.value(which, l.work.index, std::forward<V>(v)...);
        note_fulfilled(l);
    }

    /// A child yielded a value, which may be an Outcome that holds an error.
    template <class Which, class V>
    void settled(lane_type& l, Which which, V&& v) {
        using shape = unwrapped<std::remove_cvref_t<V>>;
        if constexpr (!shape::is_outcome) {
            fulfilled(l, which, std::forward<V>(v));
        } else if (!v.has_value()) {
            auto [code, exception] = failure_of(v);
            rejected(l, which, code, std::move(exception));
        } else if constexpr (std::is_void_v<typename shape::type>) {
            fulfilled(l, which);
        } else {
            fulfilled(l, which, value_of(std::forward<V>(v)));
        }
    }

    /// A child threw, or ended with an error.
    template <class Which>
    void rejected(lane_type& l, Which which, error_code code, std::exception_ptr exception) noexcept {
        static_cast<FanOut*>(this)->hold();
        {
            guard lock(this->mutex_);
            reject(l, which, code, std::move(exception));
        }
        FanOut::leave(counted_ref<FanOut>(static_cast<FanOut*>(this)));
    }

    template <class Which>
    void rejected(lane_type& l, Which which, std::exception_ptr exception) noexcept {
        error_code code;
        try {
            std::rethrow_exception(exception);
        } catch (...) {
            code = current_error_code();
        }
        rejected(l, which, code, std::move(exception));
    }

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

    /// Takes something to run, which starts now.
    BOOST_FORCEINLINE bool take_work(lane_type& l) {
        auto const taken = this->take_permit(l);
        if (taken) {
            note_started(l);
        }
        return taken;
    }

    void note_started(lane_type& l) {
        l.running = true;
        l.cause = cancel_cause::none;
        if constexpr (Threaded) {
            ++l.incarnation;
        }
        constexpr bool watched =
            has_on_started<typename Job::observer_type> || has_on_settled<typename Job::observer_type>;
        if (watched || base::admission::wants_latency || job_.attempt_timeout()) {
            l.started = clock::now();
        }
        if (job_.attempt_timeout()) {
            l.timeout = this->later_by(l.started, *job_.attempt_timeout());
            lanes_.time(l);
            arm();
        }
        if constexpr (Job::wants_attempt) {
            l.about.number = l.work.attempt;
            l.about.deadline = this->deadline_;
            if (job_.attempt_timeout() && (!l.about.deadline || l.timeout < *l.about.deadline)) {
                l.about.deadline = l.timeout;
            }
            l.about.token = job_.token(l.work.index);
        }
        if (l.work.attempt == 1) {
            job_.retry().started();
        }
        if constexpr (watches<typename Job::observer_type>) {
            ++this->watch_.in_flight;
        }
        this->tell_limit();
        if constexpr (has_on_started<typename Job::observer_type>) {
            auto const [index, attempt] = l.work;
            started_event const e{index,    attempt,  this->watch_.in_flight, l.started - start_,
                                  l.number, waited(l)};
            job_.observer().on_started(e);
        }
    }

    void note_fulfilled(lane_type& l) {
        note_settled(l);
        core_.fulfilled();
        job_.retry().fulfilled(l.item.memory);
        this->give_back(l, feedback::success, state::fulfilled);
        this->leave_key(l);
        tell_settled(l, state::fulfilled, {}, false, feedback::success);
    }

    void note_settled(lane_type& l) noexcept {
        if constexpr (watches<typename Job::observer_type>) {
            --this->watch_.in_flight;
        }
        l.running = false;
        if constexpr (Job::timed) {
            lanes_.untime(l);
        }
    }

    void tell_settled(lane_type& l, state what, error_code const& code, bool retried, feedback::kind load) {
        if constexpr (has_on_settled<typename Job::observer_type>) {
            auto const now = clock::now();
            auto const [index, attempt] = l.work;
            auto const took = now - l.started;
            settled_event const e{
                index,    attempt,   this->watch_.in_flight,      what, code, retried, took, now - start_,
                l.number, waited(l), load == feedback::overloaded};
            job_.observer().on_settled(e);
        }
        this->tell_limit();
    }

    /// How long the lane's attempt waited for its permit.
    std::chrono::nanoseconds waited(lane_type const& l) const noexcept
        requires Job::dates
    {
        return l.started - (l.work.attempt == 1 ? start_ : l.item.due);
    }

    /// Whether a child's error says no more than that it was cancelled. A fan-out that is a child says so by its own
    /// code for a cancelled caller, which is us.
    static bool says_cancelled(error_code const& code) noexcept {
        return code == boost::system::errc::operation_canceled &&
               (code.category() != category() || code == errc::cancelled_by_caller);
    }

    /// What an error says of the load.
    feedback::kind load_of(lane_type const& l, error_code const& code, std::exception_ptr const& e) {
        if (code == errc::timed_out) { // by its own time limit, or by the deadline, which says nothing
            return core_.stopped() == stop_cause::none ? feedback::overloaded : feedback::ignored;
        }
        if (l.cause != cancel_cause::none) {
            return feedback::ignored;
        }
        return job_.is_overload(code, e) ? feedback::overloaded : feedback::ignored;
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
        auto const load = load_of(l, code, exception);
        this->give_back(l, load, what);
        std::optional<std::chrono::nanoseconds> delay;
        switch (core_.rejected(l.work, this->may_retry(l))) {
        case verdict::final: break;
        case verdict::stop:
            if (!std::exchange(rejected_, true)) {
                code_ = code;
                exception_ = std::move(exception);
            }
            break;
        case verdict::retry:
            delay = this->sleep(l, load == feedback::overloaded && what != state::timed_out);
            break;
        }
        if (!delay) { // one that sleeps keeps its place
            this->leave_key(l);
        }
        tell_settled(l, what, code, delay.has_value(), load);
        if (delay) {
            this->tell_retry(l, *delay);
        }
        if constexpr (Job::fail_fast) { // the core has stopped; the first time, the others are to know
            stop(stop_cause::rejection, cancel_cause::sibling);
        }
    }

    // ---- stopping

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

    auto result() {
        auto const pulled = core_.pulled_count();
        // A range is counted only where it was left before its end.
        auto const total = core_.exhausted() ? std::optional(pulled) : job_.total();
        ending e;
        e.source_error = std::move(this->source_error_);
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
            auto const known = e.source_error ? (std::max)(e.total, job_.inputs().value_or(0)) : e.total;
            auto const not_started = known - pulled + core_.skipped_count();
            finished_event const last{not_started, core_.abandoned(), clock::now() - start_};
            job_.observer().on_finished(last);
        }
        return job_.finish(std::move(e));
    }

    using base::arm;
    using base::core_;
    using base::job_;
    using base::lanes_;
    using base::start_;
    using base::stop;

    std::size_t yielding_ = 0; ///< lanes that let others have a turn of the event loop
    bool stalled_ = false;     ///< no lane was opened, since one was yielding

private:
    bool rejected_ = false; ///< fail-fast: there is a first failure
    error_code code_;
    std::exception_ptr exception_;
};

} // namespace fanout::detail
