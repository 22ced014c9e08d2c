// SPDX-License-Identifier: BSL-1.0
#pragma once

// The engine: the Asio shell around fan_core. A composed operation, not a coroutine, so that the caller waits in
// one suspension and a cancelled caller cannot leave in the middle of a drain.

#include <fanout/detail/completion.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/lane_store.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/detail/wakeup.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
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

/// Runs one job. Children, bookkeeping and cancellation run on `Executor`, which is serial; or, where `Threaded`,
/// each lane on a strand of its own, and a mutex guards the bookkeeping.
///
/// Everything that happens enters through `enter` or, from a running lane, through `hold`/`leave`: while anyone is
/// inside, nothing completes and no cancellation is emitted, so that a child which ends in the middle of a launch
/// or of an emission finds the state whole. The last one out emits what was asked for and completes.
template <class Job, class Executor, class Handler, bool Threaded>
class fan_out {
public:
    using executor_type = Executor;
    using clock = typename Job::clock;
    using time_point = typename clock::time_point;
    using item_type = typename Job::item;
    using lane_type = lane<time_point, item_type, Executor>;
    using core_type = fan_core<time_point, item_type>;
    using allocator_type =
        typename std::allocator_traits<boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<fan_out>;
    using ref = counted_ref<fan_out>;
    using guard = std::lock_guard<std::conditional_t<Threaded, std::mutex, no_mutex>>;

    static constexpr bool is_threaded = Threaded;

    /// A lane goes from child to child only where all children are of one type.
    static constexpr bool reuses_lanes = Job::homogeneous;

    template <class H>
    static void launch(H&& handler, Job&& job, Executor const& ex) {
        allocator_type alloc(boost::asio::get_associated_allocator(handler));
        auto* const memory = std::allocator_traits<allocator_type>::allocate(alloc, 1);
        ref self;
        try {
            self = ref(::new (static_cast<void*>(memory)) fan_out(std::forward<H>(handler), std::move(job), ex));
        } catch (...) {
            std::allocator_traits<allocator_type>::deallocate(alloc, memory, 1);
            throw;
        }
        self->completion_.connect(*self);
        initiation const here(self.get());
        if constexpr (Threaded) {
            enter(std::move(self), [](fan_out& f) { f.begin(); });
        } else {
            boost::asio::dispatch(ex, [self = std::move(self)]() mutable {
                enter(std::move(self), [](fan_out& f) { f.begin(); });
            });
        }
    }

    void destroy() noexcept {
        allocator_type alloc(allocator_);
        this->~fan_out();
        std::allocator_traits<allocator_type>::deallocate(alloc, this, 1);
    }

    // ---- what lanes call

    bool cancellable() const noexcept { return cancellable_; }

    Executor const& executor_of(lane_type const& l) const noexcept {
        if constexpr (Threaded) {
            return *l.executor;
        } else {
            return executor_;
        }
    }

    template <class Which>
    decltype(auto) make(lane_type& l, Which which) {
        return job_.make(l.item, which);
    }

    /// A child was fulfilled without a value.
    template <class Which>
    void fulfilled(lane_type& l, Which which) {
        guard lock(mutex_);
        job_.value(which, l.work.index);
        note_fulfilled(l);
    }

    /// A child yielded a value, which may be an Outcome that holds an error.
    template <class Which, class V>
    void settled(lane_type& l, Which which, V&& v) {
        using shape = unwrapped<std::remove_cvref_t<V>>;
        if constexpr (!shape::is_outcome) {
            guard lock(mutex_);
            job_.value(which, l.work.index, std::forward<V>(v));
            note_fulfilled(l);
        } else {
            if (!v.has_value()) {
                auto [code, exception] = failure_of(v);
                rejected(l, which, code, std::move(exception));
            } else if constexpr (std::is_void_v<typename shape::type>) {
                fulfilled(l, which);
            } else {
                guard lock(mutex_);
                job_.value(which, l.work.index, std::forward<V>(v).assume_value());
                note_fulfilled(l);
            }
        }
    }

    /// A child threw, or ended with an error.
    template <class Which>
    void rejected(lane_type& l, Which which, error_code code, std::exception_ptr exception) noexcept {
        hold();
        {
            guard lock(mutex_);
            reject(l, which, code, std::move(exception));
        }
        leave(ref(this));
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

    /// The lane's child has settled: what next? False: the lane ends.
    bool next(lane_type& l) {
        guard lock(mutex_);
        return take_work(l);
    }

    /// A coroutine lane has ended.
    static void lane_ended(ref self, lane_type& l) {
        enter(std::move(self), [&l](fan_out& f) { f.end_lane(l); });
    }

    /// An operation on a handler lane has ended, its outcome is noted.
    template <class Which>
    static void operation_ended(ref self, lane_type& l, Which which) {
        if (self->emitting_ == &l) { // its cancellation handler is still on the stack
            auto const ex = self->executor_of(l);
            boost::asio::post(ex, [self = std::move(self), &l, which]() mutable {
                operation_ended(std::move(self), l, which);
            });
            return;
        }
        enter(std::move(self), [&l, which](fan_out& f) { f.go_on(l, which); });
    }

    // ---- what happens from outside

    static void enter(ref self, auto&& what) {
        self->hold();
        what(*self);
        leave(std::move(self));
    }

    /// The caller cancels: partial and total stop what has not started, terminal ends the running children too.
    void cancel(boost::asio::cancellation_type type) {
        using boost::asio::cancellation_type;
        auto const has = [type](cancellation_type bit) { return (type & bit) != cancellation_type::none; };
        guard lock(mutex_);
        if (has(cancellation_type::terminal)) {
            stop(stop_cause::caller, cancel_cause::caller);
        } else if (has(cancellation_type::partial) || has(cancellation_type::total)) {
            stop(stop_cause::caller, cancel_cause::none);
        }
    }

    /// Sees what is due.
    void wake() {
        auto const now = clock::now();
        {
            guard lock(mutex_);
            if (deadline_ && !(now < *deadline_)) {
                stop(stop_cause::deadline, cancel_cause::timeout);
            }
            core_.timer_due(now);
        }
        {
            guard lock(mutex_);
            for (auto* l = lanes_.soonest(); l != nullptr && !(now < l->timeout); l = lanes_.soonest()) {
                lanes_.untime(*l);
                emit(*l, cancel_cause::timeout);
            }
        }
        pump();
        guard lock(mutex_);
        arm();
    }

    Executor const& executor() const noexcept { return executor_; }

    /// The timer fires. It owned the fan-out; where it had been set anew meanwhile, it owns it still.
    static void on_alarm(fan_out& f) {
        ref self(&f);
        {
            guard lock(f.mutex_);
            f.alarm_.fired().reset();
        }
        enter(std::move(self), [](fan_out& inside) { inside.wake(); });
    }

    /// What the handler is called with, after the end. Where there is no memory for it, that is what it says.
    auto safe_result() {
        using result_type = decltype(job_.finish(std::declval<ending>()));
        if constexpr (std::is_same_v<result_type, std::exception_ptr>) {
            return result();
        } else if constexpr (!std::is_default_constructible_v<typename result_type::second_type>) {
            return result();
        } else {
            try {
                return result();
            } catch (...) {
                return result_type(std::current_exception(), typename result_type::second_type());
            }
        }
    }

private:
    friend completion<fan_out, Handler, Executor>;
    friend ref;
    using store_type = lane_store<lane_type, boost::asio::associated_allocator_t<Handler>>;

    template <class H>
    fan_out(H&& handler, Job&& job, Executor const& ex)
        : executor_(ex), job_(std::move(job)), start_(job_.needs_clock() ? clock::now() : time_point()),
          deadline_(job_.deadline(start_)), core_(job_.config(deadline_)),
          lanes_(boost::asio::get_associated_allocator(handler)),
          allocator_(boost::asio::get_associated_allocator(handler)), completion_(std::forward<H>(handler), ex) {
        cancellable_ = Job::fail_fast || deadline_ || job_.attempt_timeout() || completion_.cancellable();
    }

    void hold() noexcept {
        guard lock(mutex_);
        ++inside_;
    }

    /// The last one out emits what was asked for; the last one out of a fan-out that has ended completes it.
    ///
    /// Where there are threads, the reference is given back under the lock: whoever completes the fan-out then holds
    /// the only one left, and frees it before the handler is called.
    static void leave(ref self) {
        auto& f = *self;
        for (;;) {
            std::unique_lock lock(f.mutex_);
            if (f.inside_ == 1 && f.cancel_ != cancel_cause::none) {
                f.flush();
                continue;
            }
            if (--f.inside_ == 0 && f.core_.finish()) {
                lock.unlock();
                completion<fan_out, Handler, Executor>::complete(std::move(self));
                return;
            }
            if constexpr (Threaded) {
                auto const last = self.release()->references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
                lock.unlock();
                if (last) {
                    f.destroy();
                }
            }
            return;
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

    void begin() {
        try {
            job_.begin();
            guard lock(mutex_);
            arm();
        } catch (...) {
            fail_source();
        }
        pump();
    }

    /// Opens lanes while there is work for them.
    void pump() {
        for (;;) {
            lane_type* l = nullptr;
            {
                guard lock(mutex_);
                if (!core_.wants_lane()) {
                    return;
                }
                try {
                    l = &lanes_.open();
                    if constexpr (Threaded) {
                        l->executor.emplace(job_.lane_executor());
                    }
                } catch (...) {
                    fail_source_locked();
                    return;
                }
                core_.lane_opened();
                if (!take_permit(*l)) {
                    close_locked(*l);
                    continue;
                }
                if constexpr (!Threaded) {
                    note_started(*l);
                }
            }
            if constexpr (Threaded) {
                boost::asio::post(executor_of(*l), [self = ref(this), l]() mutable {
                    enter(std::move(self), [l](fan_out& f) { f.start_late(*l); });
                });
            } else {
                start(*l);
            }
        }
    }

    /// Starts the lane's attempt on the lane's own strand, unless the fan-out was stopped on the way there.
    void start_late(lane_type& l) {
        {
            guard lock(mutex_);
            if (core_.stopped() == stop_cause::none) {
                note_started(l);
            } else {
                core_.skipped(l.work);
            }
        }
        if (l.running) {
            start(l);
        } else {
            end_lane(l);
        }
    }

    /// Starts the lane's attempt.
    void start(lane_type& l) {
        job_.visit(l.work.index, [&](auto which) {
            using made = std::remove_cvref_t<decltype(make(l, which))>;
            if constexpr (is_awaitable<made>) {
                spawn<typename made::executor_type>(l, which);
            } else {
                go_on_with(l, which);
            }
        });
    }

    template <class AwaitableExecutor, class Which>
    void spawn(lane_type& l, Which which) {
        static_assert(std::is_convertible_v<Executor, AwaitableExecutor>,
                      "fanout: these awaitables are bound to an executor type that the fan-out does not run on");
        try {
            boost::asio::co_spawn(AwaitableExecutor(executor_of(l)), run_lane<AwaitableExecutor>(*this, l, which),
                                  lane_end<fan_out>(ref(this), l));
        } catch (...) {
            rejected(l, which, current_error_code(), std::current_exception());
            end_lane(l);
        }
    }

    /// Runs operations on a handler lane until one does not end within its own initiation.
    template <class Which>
    void go_on_with(lane_type& l, Which which) {
        for (;;) {
            l.initiating = true;
            l.ended_in_initiation = false;
            try {
                auto operation = make(l, which);
                using signature = boost::asio::completion_signature_of_t<decltype(operation)>;
                std::move(operation)(operation_end<fan_out, Which, signature>(ref(this), l));
            } catch (...) {
                rejected(l, which, current_error_code(), std::current_exception());
                l.ended_in_initiation = true;
            }
            l.initiating = false;
            if (!l.ended_in_initiation) {
                return;
            }
            if (reuses_lanes && ++l.in_a_row >= children_per_turn) {
                l.in_a_row = 0;
                boost::asio::post(executor_of(l), [self = ref(this), &l, which]() mutable {
                    enter(std::move(self), [&l, which](fan_out& f) { f.go_on(l, which); });
                });
                return;
            }
            if (!reuses_lanes || !next(l)) {
                return end_lane(l);
            }
        }
    }

    template <class Which>
    void go_on(lane_type& l, Which which) {
        if (reuses_lanes && next(l)) {
            go_on_with(l, which);
        } else {
            end_lane(l);
        }
    }

    void end_lane(lane_type& l) {
        {
            guard lock(mutex_);
            close_locked(l);
        }
        if constexpr (!reuses_lanes) {
            pump(); // its permit is free, and only a new lane can take it
        }
    }

    void close_locked(lane_type& l) {
        lanes_.close(l);
        core_.lane_ended();
        if (emitting_ == &l) {
            closed_while_emitting_ = true;
        } else {
            lanes_.recycle(l);
        }
    }

    /// Takes a permit and something to run with it, which starts now.
    bool take_work(lane_type& l) {
        auto const taken = take_permit(l);
        if (taken) {
            note_started(l);
        }
        return taken;
    }

    bool take_permit(lane_type& l) {
        if (deadline_ && !cancelled_ && !(clock::now() < *deadline_)) { // the timer may be late
            stop(stop_cause::deadline, cancel_cause::timeout);
        }
        for (;;) {
            switch (core_.take()) {
            case grant::none: arm(); return false;
            case grant::retry:
                std::tie(l.work, l.item) = core_.retry();
                arm();
                return true;
            case grant::fresh:
                try {
                    if (!job_.pull(l.item)) {
                        core_.source_ended();
                        continue;
                    }
                    job_.open(core_.pulled_count());
                } catch (...) {
                    core_.source_failed();
                    fail_source_locked();
                    return false;
                }
                l.work = core_.pulled();
                if (core_.stopped() != stop_cause::none) { // by the source itself
                    core_.skipped(l.work);
                    return false;
                }
                return true;
            }
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
        auto const room = (time_point::max)() - t;
        return d > room ? (time_point::max)() : t + std::chrono::duration_cast<typename clock::duration>(d);
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
        bool retried = false;
        switch (core_.rejected(l.work, !cancelled && job_.may_retry(l.work.index))) {
        case verdict::final: break;
        case verdict::stop:
            if (!std::exchange(rejected_, true)) {
                code_ = code;
                exception_ = std::move(exception);
            }
            stop(stop_cause::rejection, cancel_cause::sibling);
            break;
        case verdict::retry: retried = sleep(l); break;
        }
        tell_settled(l, what, code, retried);
    }

    bool sleep(lane_type& l) noexcept {
        if constexpr (Job::retries) {
            try {
                auto const delay = job_.delay(l.work.attempt);
                auto const now = clock::now();
                if (core_.sleep(l.work, later_by(now, delay), std::move(l.item))) {
                    if constexpr (has_on_retry<typename Job::observer_type>) {
                        job_.observer().on_retry({l.work.index, l.work.attempt, delay, now - start_});
                    }
                    arm();
                    return true;
                }
            } catch (std::bad_alloc const&) { // no memory to remember the input: its last error stands
            }
        }
        return false;
    }

    // ---- stopping

    void stop(stop_cause cause, cancel_cause cancel) noexcept {
        core_.stop(cause);
        if (cancel != cancel_cause::none && cancel_ == cancel_cause::none && !cancelled_) {
            cancel_ = cancel; // leave() emits it
        }
    }

    void fail_source() {
        guard lock(mutex_);
        fail_source_locked();
    }

    void fail_source_locked() noexcept {
        if (!source_error_) {
            source_error_ = std::current_exception();
        }
        stop(stop_cause::source, Job::fail_fast ? cancel_cause::sibling : cancel_cause::none);
    }

    /// Cancels all running children, once.
    void flush() noexcept {
        auto const cause = std::exchange(cancel_, cancel_cause::none);
        cancelled_ = true;
        lanes_.for_each([&](lane_type& l) { emit(l, cause); });
    }

    /// Asks one child to end. (Where there is a mutex it is held, and the lane's strand does it.)
    void emit(lane_type& l, cancel_cause cause) noexcept {
        if (!l.running || l.cause != cancel_cause::none) {
            return;
        }
        l.cause = cause;
        if constexpr (Threaded) {
            ++inside_;
            boost::asio::post(executor_of(l), [self = ref(this), &l, n = l.incarnation]() mutable {
                self->emit_late(l, n);
                leave(std::move(self));
            });
        } else {
            emitting_ = &l;
            closed_while_emitting_ = false;
            l.signal.emit(boost::asio::cancellation_type::terminal);
            emitting_ = nullptr;
            if (closed_while_emitting_) {
                lanes_.recycle(l);
            }
        }
    }

    void emit_late(lane_type& l, std::uint32_t incarnation) {
        bool same = false;
        {
            guard lock(mutex_);
            same = l.running && l.incarnation == incarnation;
        }
        if (same) { // only this strand could settle it meanwhile
            l.signal.emit(boost::asio::cancellation_type::terminal);
        }
    }

    /// Sees to it that the timer fires when something is due next.
    void arm() {
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
                alarm_.set(*this, *due);
            } catch (...) { // no memory for the timer: better to end than to wait for ever
                fail_source_locked();
            }
        }
    }

    [[no_unique_address]] std::conditional_t<Threaded, std::mutex, no_mutex> mutex_;
    std::atomic<std::size_t> references_{0};
    Executor executor_;
    Job job_;
    time_point start_;
    std::optional<time_point> deadline_;
    core_type core_;
    store_type lanes_;
    wakeup<fan_out> alarm_;
    std::size_t inside_ = 0;
    lane_type* emitting_ = nullptr;
    cancel_cause cancel_ = cancel_cause::none; ///< asked for, not yet emitted
    bool cancelled_ = false;                   ///< emitted to all
    bool closed_while_emitting_ = false;
    bool cancellable_ = false;
    bool rejected_ = false; ///< fail-fast: there is a first failure
    [[no_unique_address]] allocator_type allocator_;
    error_code code_;
    std::exception_ptr exception_;
    std::exception_ptr source_error_;
    completion<fan_out, Handler, Executor> completion_;
};

} // namespace fanout::detail
