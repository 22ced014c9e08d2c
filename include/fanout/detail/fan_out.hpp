// SPDX-License-Identifier: BSL-1.0
#pragma once

// The engine: the Asio shell around fan_core. A composed operation, not a coroutine, so that the caller waits in
// one suspension and a cancelled caller cannot leave in the middle of a drain.

#include <fanout/detail/bookkeeping.hpp>
#include <fanout/detail/completion.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/lane.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Runs one job. Children, bookkeeping and cancellation run on `Executor`, which is serial; or, where `Threaded`,
/// each lane on a strand of its own, and a mutex guards the bookkeeping.
///
/// Everything that happens enters through `enter` or, from a running lane, through `hold`/`leave`: while anyone is
/// inside, nothing completes and no cancellation is emitted, so that a child which ends in the middle of a launch
/// or of an emission finds the state whole. The last one out emits what was asked for and completes.
template <class Job, class Executor, class Handler, bool Threaded>
class fan_out : bookkeeping<fan_out<Job, Executor, Handler, Threaded>, Job, Executor,
                            boost::asio::associated_allocator_t<Handler>, Threaded> {
    using base = bookkeeping<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;

public:
    using executor_type = Executor;
    using typename base::clock;
    using typename base::guard;
    using typename base::lane_type;
    using allocator_type = typename std::allocator_traits<
        boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<fan_out>;
    using ref = counted_ref<fan_out>;

    static constexpr bool is_threaded = Threaded;

    /// A lane goes from child to child only where all children are of one type.
    static constexpr bool reuses_lanes = Job::homogeneous;

    template <class H>
    static void launch(H&& handler, Job&& job, Executor const& ex) {
        allocator_type alloc(boost::asio::get_associated_allocator(handler));
        auto* const memory = std::allocator_traits<allocator_type>::allocate(alloc, 1);
        ref self;
        try {
            self =
                ref(::new (static_cast<void*>(memory)) fan_out(std::forward<H>(handler), std::move(job), ex));
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
        this->note_fulfilled(l);
    }

    /// A child yielded a value, which may be an Outcome that holds an error.
    template <class Which, class V>
    void settled(lane_type& l, Which which, V&& v) {
        using shape = unwrapped<std::remove_cvref_t<V>>;
        if constexpr (!shape::is_outcome) {
            guard lock(mutex_);
            job_.value(which, l.work.index, std::forward<V>(v));
            this->note_fulfilled(l);
        } else {
            if (!v.has_value()) {
                auto [code, exception] = failure_of(v);
                rejected(l, which, code, std::move(exception));
            } else if constexpr (std::is_void_v<typename shape::type>) {
                fulfilled(l, which);
            } else {
                guard lock(mutex_);
                job_.value(which, l.work.index, value_of(std::forward<V>(v)));
                this->note_fulfilled(l);
            }
        }
    }

    /// A child threw, or ended with an error.
    template <class Which>
    void rejected(lane_type& l, Which which, error_code code, std::exception_ptr exception) noexcept {
        hold();
        {
            guard lock(mutex_);
            this->reject(l, which, code, std::move(exception));
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

    /// A lane goes through the event loop before its next child. Until it is back no further lane is opened, or
    /// children that complete synchronously would keep on opening lanes and starve everyone else.
    void yields() {
        guard lock(mutex_);
        ++yielding_;
    }
    void is_back(lane_type& l) {
        guard lock(mutex_);
        if (--yielding_ == 0 && std::exchange(stalled_, false)) {
            boost::asio::post(executor_of(l), [self = ref(this)]() mutable {
                enter(std::move(self), [](fan_out& f) { f.pump(); });
            });
        }
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
        try {
            what(*self);
        } catch (...) { // no memory to go on with
            guard lock(self->mutex_);
            self->fail_source();
        }
        leave(std::move(self));
    }

    /// The caller cancels.
    void cancel(boost::asio::cancellation_type type) {
        guard lock(mutex_);
        this->note_cancel(type);
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

private:
    friend base;
    friend completion<fan_out, Handler, Executor>;
    friend ref;
    using base::alarm_;
    using base::arm;
    using base::cancel_;
    using base::cancelled_;
    using base::core_;
    using base::deadline_;
    using base::fail_source;
    using base::job_;
    using base::lanes_;
    using base::mutex_;
    using base::note_started;
    using base::stalled_;
    using base::stop;
    using base::take_permit;
    using base::take_work;
    using base::yielding_;

    template <class H>
    fan_out(H&& handler, Job&& job, Executor const& ex)
        : base(std::move(job), boost::asio::get_associated_allocator(handler)),
          executor_(ex),
          allocator_(boost::asio::get_associated_allocator(handler)),
          completion_(std::forward<H>(handler), ex) {
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

    void begin() {
        try {
            job_.begin();
            guard lock(mutex_);
            arm();
        } catch (...) {
            guard lock(mutex_);
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
                if (yielding_ > 0) {
                    stalled_ = true;
                    return;
                }
                try {
                    l = &lanes_.open();
                    if constexpr (Threaded) {
                        l->executor.emplace(job_.lane_executor());
                    }
                } catch (...) {
                    fail_source();
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
        static_assert(
            std::is_convertible_v<Executor, AwaitableExecutor>,
            "fanout: these awaitables are bound to an executor type that the fan-out does not run on");
        try {
            boost::asio::co_spawn(AwaitableExecutor(executor_of(l)),
                                  run_lane<AwaitableExecutor>(*this, l, which),
                                  lane_end<fan_out>(ref(this), l));
        } catch (...) {
            rejected(l, which, current_error_code(), std::current_exception());
            end_lane(l);
            if constexpr (Threaded) {
                pump(); // else whoever started it goes on to
            }
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
                yields();
                boost::asio::post(executor_of(l), [self = ref(this), &l, which]() mutable {
                    self->is_back(l);
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

    std::atomic<std::size_t> references_{0};
    Executor executor_;
    [[no_unique_address]] allocator_type allocator_;
    std::size_t inside_ = 0;
    lane_type* emitting_ = nullptr;
    bool closed_while_emitting_ = false;
    bool cancellable_ = false;
    completion<fan_out, Handler, Executor> completion_;
};

} // namespace fanout::detail
