// SPDX-License-Identifier: BSL-1.0
#pragma once

// Drives the lanes of a fan-out: opens them while there is work and a permit, says what is next in each, closes them.

#include <fanout/concepts.hpp>
#include <fanout/detail/bookkeeping.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/step.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/config.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The part of `FanOut` above its bookkeeping. What is above starts the children: `start(lane)`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class lane_driver : public bookkeeping<FanOut, Job, Executor, Allocator, Threaded> {
    using base = bookkeeping<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using executor_type = Executor;
    using ref = counted_ref<FanOut>;
    using typename base::guard;
    using typename base::lane_type;

    /// A lane goes from child to child only where all children are of one type.
    static constexpr bool reuses_lanes = Job::homogeneous;
    /// Among children of several types, those that complete synchronously run one within the other, where that is no loss.
    static constexpr bool chains =
        !Job::homogeneous && !Job::retries && !Threaded && alike<typename Job::child_types>;
    using base::looks_for_reentrancy;
    /// Children that are not to follow one another in a lane may be spawned by themselves.
    static constexpr bool may_spawn_children =
        !looks_for_reentrancy && (!reuses_lanes || (Job::is_unlimited && !Job::fail_fast && !Threaded));
    /// `deferred`, which is instantiated only where there is a fan-out: here it depends on a template's argument.
    static constexpr boost::asio::deferred_t next_turn{};
    static constexpr bool is_fail_fast = Job::fail_fast;
    /// A lane can ask its cancellation state, since its signal reaches that at once; elsewhere `co_spawn` sends what is
    /// emitted by way of the executor, and an answer would come too late.
    static constexpr bool watches_states = is_fail_fast;
    /// Until all has ended there is always a coroutine, and a coroutine counts as work of its executor.
    static constexpr bool lanes_count_as_work =
        !base::runs_operations && !base::admits && !Job::retries && !Threaded;

    // ---- what lanes call

    using base::fulfilled;
    using base::rejected;
    using base::settled;

    bool cancellable() const noexcept { return is_fail_fast || any_fan_out::cancellable(); }
    bool emits_to(lane_type const& l) const noexcept { return emitting_ == &l; }

    Executor const& executor_of(lane_type const& l) const noexcept {
        if constexpr (Threaded) {
            return *l.strand;
        } else {
            return executor_;
        }
    }

    template <class Which>
    decltype(auto) make(lane_type& l, Which which) {
        if constexpr (base::admits) {
            if (l.held.refusal) { // in place of a permit
                std::rethrow_exception(std::exchange(l.held.refusal, nullptr));
            }
        }
        if constexpr (carries_resource<typename base::permit_type>) {
            return job_.make_with_resource(l.item, l.held.permit, l.about);
        } else {
            return job_.make(l.item, which, l.about);
        }
    }

    /// The lane's child is about to run inside its permit; it is known by its cancellation slot.
    void enters_permit(lane_type& l, boost::asio::cancellation_slot slot) {
        job_.admission().each_held([&](void const* limit) { permit_holders::enter(limit, &l, slot); });
    }

    /// The lane's child has settled: what next? False: the lane ends.
    BOOST_FORCEINLINE bool next(lane_type& l) {
        guard lock(mutex_);
        auto const more = take_work(l);
        if constexpr (
            Job::keyed) { // as one that was parked starts, there is room to look further for another key
            if (core_.wants_lane() && !std::exchange(pump_posted_, true)) {
                pump_later(l);
            }
        }
        return more;
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
            pump_later(l);
        }
    }

    /// A coroutine lane has ended.
    static void lane_ended(ref self, lane_type& l) {
        FanOut::enter(std::move(self), [&l](FanOut& f) { f.end_lane(l); });
    }

protected:
    using base::core_;
    using base::fail_source;
    using base::job_;
    using base::lanes_;
    using base::mutex_;
    using base::note_started;
    using base::stalled_;
    using base::take_permit;
    using base::take_work;
    using base::yielding_;

    lane_driver(Job&& job, Allocator const& allocator, Executor&& ex)
        : base(std::move(job), allocator), executor_(std::move(ex)) {}

    FanOut* self_pointer() noexcept { return static_cast<FanOut*>(this); }

    /// Comes back to open lanes. Until then it is inside, so that the fan-out does not end before. (Under the mutex.)
    void pump_later(lane_type& l) noexcept {
        auto& f = *self_pointer();
        try {
            boost::asio::post(executor_of(l), make_step<&lane_driver::pump_now>(ref(&f)));
            ++f.inside_;
        } catch (...) { // no memory to go on with
            fail_source();
        }
    }
    static void pump_now(ref self) {
        try {
            self->pump();
        } catch (...) {
            guard lock(self->mutex_);
            self->fail_source();
        }
        FanOut::leave(std::move(self));
    }

    /// Opens lanes while there is work for them.
    void pump() {
        for (;;) {
            lane_type* l = nullptr;
            {
                guard lock(mutex_);
                pump_posted_ = false;
                if (!core_.wants_lane()) {
                    this->drop_spare();
                    return;
                }
                if (yielding_ > 0) {
                    stalled_ = true;
                    return;
                }
                try {
                    l = &lanes_.open();
                    if constexpr (Threaded) {
                        l->strand.emplace(job_.lane_executor());
                    }
                } catch (...) {
                    fail_source();
                    return;
                }
                if constexpr (base::runs_operations) {
                    if (l->memory.owner == nullptr) { // else an operation's thread may be reading it
                        l->memory.owner = self_pointer();
                    }
                }
                // So that lanes in lockstep do not yield all at once.
                l->until_turn = children_per_turn - l->number % children_per_turn;
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
                boost::asio::post(executor_of(*l), [self = ref(self_pointer()), l]() mutable {
                    FanOut::enter(std::move(self), [l](FanOut& f) { f.start_late(*l); });
                });
            } else {
                self_pointer()->start(*l);
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
                job_.retry().give_back(l.item.memory);
            }
        }
        if (l.running) {
            self_pointer()->start(l);
        } else {
            end_lane(l);
        }
    }

    BOOST_NOINLINE void end_lane(lane_type& l) {
        {
            guard lock(mutex_);
            close_locked(l);
        }
        if constexpr (!reuses_lanes || may_spawn_children) {
            pump(); // its permit is free, and only a new lane can take it
        }
    }

    BOOST_FORCEINLINE void close_locked(lane_type& l) {
        this->unused(l);
        lanes_.close(l);
        core_.lane_ended();
        if (emitting_ == &l) {
            closed_while_emitting_ = true;
        } else {
            lanes_.recycle(l);
        }
    }

    /// Asks one child to end. (Where there is a mutex it is held, and the lane's strand does it.)
    void emit(lane_type& l, cancel_cause cause) noexcept {
        if (!l.running || l.cause != cancel_cause::none) {
            return;
        }
        l.cause = cause;
        if constexpr (Threaded) {
            auto& f = *self_pointer();
            ++f.inside_;
            boost::asio::post(executor_of(l), [self = ref(&f), &l, n = l.incarnation]() mutable {
                self->emit_late(l, n);
                FanOut::leave(std::move(self));
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

    Executor executor_;
    lane_type* emitting_ = nullptr; ///< its cancellation is being emitted
    bool closed_while_emitting_ = false;
    bool pump_posted_ = false;
};

} // namespace fanout::detail
