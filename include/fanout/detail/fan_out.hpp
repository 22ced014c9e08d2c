// SPDX-License-Identifier: BSL-1.0
#pragma once

// The engine: the Asio shell around fan_core. A composed operation, not a coroutine, so that the caller waits in
// one suspension and a cancelled caller cannot leave in the middle of a drain.

#include <fanout/detail/completion.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/handler_lane.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/serial.hpp>
#include <fanout/detail/step.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/config.hpp>

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
class fan_out final : public handler_lanes<fan_out<Job, Executor, Handler, Threaded>, Job, Executor,
                                           boost::asio::associated_allocator_t<Handler>, Threaded> {
    using base =
        handler_lanes<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;

public:
    using executor_type = Executor;
    using typename base::admission;
    using typename base::clock;
    using typename base::guard;
    using typename base::lane_type;
    using typename base::ref;
    using allocator_type = typename std::allocator_traits<
        boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<fan_out>;

    static constexpr bool is_threaded = Threaded;
    using base::looks_for_reentrancy;
    using base::reuses_lanes;
    using base::runs_operations;

    template <class H>
    static void launch(H&& handler, Job&& job, Executor ex, bool same) {
        allocator_type alloc(boost::asio::get_associated_allocator(handler));
        auto* const memory = std::allocator_traits<allocator_type>::allocate(alloc, 1);
        ref self;
        try {
            self = ref(::new (static_cast<void*>(memory))
                           fan_out(std::forward<H>(handler), std::move(job), std::move(ex), same));
        } catch (...) {
            std::allocator_traits<allocator_type>::deallocate(alloc, memory, 1);
            throw;
        }
        self->completion_.connect(*self);
        initiation const here(self.get());
        if (Threaded || runs_here(self->executor_)) {
            begin_now(std::move(self));
        } else {
            auto const on = self->executor_; // it may be gone before dispatch returns
            boost::asio::dispatch(on, make_step<&fan_out::begin_now>(std::move(self)));
        }
    }

    BOOST_NOINLINE void destroy() noexcept {
        allocator_type alloc(allocator_);
        this->~fan_out();
        std::allocator_traits<allocator_type>::deallocate(alloc, this, 1);
    }

    // ---- what lanes call

    static void destroy_any(any_fan_out& f) noexcept {
        auto& self = static_cast<fan_out&>(f); // a debugger's printers know the type by this variable
        self.destroy();
    }
    static constexpr fan_out_functions by_type{
        &destroy_any,
        [](any_fan_out& f, lane_head& l) {
            base::lane_ended(ref::adopt(static_cast<fan_out*>(&f)), static_cast<lane_type&>(l));
        },
        [](any_fan_out& f, lane_head& l, std::exception_ptr&& e, void* value) {
            base::child_ended(ref::adopt(static_cast<fan_out*>(&f)), static_cast<lane_type&>(l), std::move(e),
                              value);
        },
        [](any_fan_out const& f, lane_head const& l) noexcept -> void const* {
            return std::addressof(
                static_cast<fan_out const&>(f).executor_of(static_cast<lane_type const&>(l)));
        }};

    using base::cancellable;
    using base::chains;
    using base::emits_to;
    using base::end_later;
    using base::enters_permit;
    using base::executor_of;
    using base::follow;
    using base::fulfilled;
    using base::is_back;
    using base::is_fail_fast;
    using base::lane_ended;
    using base::lanes_count_as_work;
    using base::make;
    using base::next;
    using base::next_turn;
    using base::operation_ended;
    using base::rejected;
    using base::settled;
    using base::watches_states;
    using base::yields;

    // ---- how a permit is waited for

    using base::answered;
    using base::ask;
    using base::emit_withdrawal;
    using base::pump;
    using base::stand_in_line;

    // ---- what happens from outside

    BOOST_FORCEINLINE static void enter(ref self, auto&& what) {
        self->hold();
        try {
            what(*self);
        } catch (...) {
            self->out_of_memory();
        }
        leave(std::move(self));
    }

    /// There is no memory to go on with. Call it in a catch block.
    void out_of_memory() noexcept {
        guard lock(mutex_);
        fail_source();
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
            this->heed_deadline(now);
            core_.timer_due(now);
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
    static void on_alarm(any_fan_out& target) {
        auto& f = static_cast<fan_out&>(target);
        ref self(&f);
        {
            guard lock(f.mutex_);
            f.alarm_.fired().reset();
        }
        enter(std::move(self), [](fan_out& inside) { inside.wake(); });
    }

private:
    friend base;
    friend fan_state<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend intake<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend asking<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend coroutine_lanes<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend lane_driver<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend bookkeeping<fan_out, Job, Executor, boost::asio::associated_allocator_t<Handler>, Threaded>;
    friend completion<fan_out, Handler, Executor>;
    friend ref;
    using base::alarm_;
    using base::arm;
    using base::cancel_;
    using base::cancellable_;
    using base::cancelled_;
    using base::core_;
    using base::emit;
    using base::executor_;
    using base::fail_source;
    using base::job_;
    using base::lanes_;
    using base::mutex_;

    template <class H>
    fan_out(H&& handler, Job&& job, Executor&& ex, bool same)
        : base(std::move(job), boost::asio::get_associated_allocator(handler), std::move(ex)),
          allocator_(boost::asio::get_associated_allocator(handler)),
          completion_(std::forward<H>(handler), executor_, same) {
        cancellable_ = Job::fail_fast || this->has_deadline() || job_.attempt_timeout() ||
                       completion_.cancellable() ||
                       base::looks_for_reentrancy; // which knows children by their cancellation slots
    }

    void hold() noexcept {
        guard lock(mutex_);
        ++inside_;
    }

    /// `busy`: a child runs for certain.
    ///
    /// The last one out emits what was asked for; the last one out of a fan-out that has ended completes it.
    ///
    /// Where there are threads, the reference is given back under the lock: whoever completes the fan-out then holds
    /// the only one left, and frees it before the handler is called.
    BOOST_FORCEINLINE static void leave(ref self, bool busy = false) {
        if constexpr (!Threaded) {
            if (self->cancel_ == cancel_cause::none && ((busy && !base::admits) || self->core_.busy()))
                [[likely]] {
                --self->inside_;
                return;
            }
        }
        leave_last(std::move(self));
    }

    BOOST_NOINLINE static void leave_last(ref self) {
        auto& f = *self;
        for (;;) {
            std::unique_lock lock(f.mutex_);
            if (f.inside_ == 1 && f.cancel_ != cancel_cause::none) {
                f.flush();
                continue;
            }
            if constexpr (base::admits) {
                if (f.inside_ == 1 && f.must_withdraw()) {
                    f.withdraw();
                    continue;
                }
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

    static void begin_now(ref self) {
        enter(std::move(self), [](fan_out& f) { f.begin(); });
    }
    void begin() {
        try {
            if constexpr (base::looks_for_reentrancy) {
                job_.admission().each_held([this](void const* limit) {
                    if (asks_for_what_it_holds(limit, completion_.handler())) {
                        throw boost::system::system_error(errc::reentrant_limit);
                    }
                });
            }
            job_.begin();
            guard lock(mutex_);
            this->tell_begun();
            if constexpr (base::admits) {
                if (job_.inputs() == std::size_t{0}) {
                    core_.no_more(); // and no permit is asked for
                }
            }
            arm();
        } catch (...) {
            guard lock(mutex_);
            this->tell_begun(); // so that it comes first
            fail_source();
        }
        pump();
    }

    /// Cancels all running children, once.
    void flush() noexcept {
        auto const cause = std::exchange(cancel_, cancel_cause::none);
        cancelled_ = true;
        lanes_.for_each([&](lane_type& l) { emit(l, cause); });
    }

    [[no_unique_address]] allocator_type allocator_;
    std::size_t inside_ = 0;
    completion<fan_out, Handler, Executor> completion_;
};

} // namespace fanout::detail
