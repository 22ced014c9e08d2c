// SPDX-License-Identifier: BSL-1.0
#pragma once

// Drives the lanes of a fan-out: opens them while there is work and a permit, starts children, takes what they
// end with.

#include <fanout/concepts.hpp>
#include <fanout/detail/bookkeeping.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/lane.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The part of `FanOut` between its bookkeeping and its entries.
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
    /// Among children of several types, those that complete synchronously run one within the other.
    static constexpr bool chains = !Job::homogeneous && !Job::retries && alike<typename Job::child_types>;
    using base::looks_for_reentrancy;
    /// Children that are not to follow one another in a lane may be spawned by themselves.
    static constexpr bool may_spawn_children =
        !looks_for_reentrancy && (!reuses_lanes || (Job::is_unlimited && !Job::fail_fast && !Threaded));
    /// `deferred`, which is instantiated only where there is a fan-out: here it depends on a template's argument.
    static constexpr boost::asio::deferred_t next_turn{};
    static constexpr bool is_fail_fast = Job::fail_fast;
    /// A lane's cancellation state lives in its signal; elsewhere `co_spawn` may keep it in shared memory, for longer.
    static constexpr bool watches_states = is_fail_fast;
    /// Until all has ended there is always a coroutine, and a coroutine counts as work of its executor.
    static constexpr bool lanes_count_as_work =
        !base::runs_operations && !base::admits && !Job::retries && !Threaded;

    // ---- what lanes call

    using base::fulfilled;
    using base::rejected;
    using base::settled;

    bool cancellable() const noexcept { return is_fail_fast || cancellable_; }
    bool emits_to(lane_type const& l) const noexcept { return emitting_ == &l; }

    Executor const& executor_of(lane_type const& l) const noexcept {
        if constexpr (Threaded) {
            return *l.strand;
        } else {
            return executor_;
        }
    }

    /// The lane's next child, as a lane within the lane.
    template <class AwaitableExecutor>
    boost::asio::awaitable<void, AwaitableExecutor> follow(lane_type& l) {
        std::optional<boost::asio::awaitable<void, AwaitableExecutor>> rest;
        job_.visit(l.work.index, [&](auto which) {
            try {
                rest.emplace(run_lane<AwaitableExecutor>(*self_pointer(), l, which));
            } catch (...) { // no memory for it: the lane ends
                rejected(l, which, current_error_code(), std::current_exception());
                throw;
            }
        });
        return *std::move(rest);
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

    template <class Which>
    BOOST_NOINLINE static void end_later(ref self, lane_type& l, Which which) {
        auto const ex = self->executor_of(l);
        boost::asio::post(ex, [self = std::move(self), &l, which]() mutable {
            operation_ended(std::move(self), l, which);
        });
    }

    /// An operation on a handler lane has ended, its outcome is noted.
    template <class Which>
    BOOST_FORCEINLINE static void operation_ended(ref self, lane_type& l, Which which) {
        self->hold();
        auto runs = false;
        try {
            runs = self->go_on(l, which);
        } catch (...) {
            self->out_of_memory();
        }
        FanOut::leave(std::move(self), runs);
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
            boost::asio::post(executor_of(l), [self = ref(&f)]() mutable { pump_now(std::move(self)); });
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
                job_.retry().give_back(l.item.memory);
            }
        }
        if (l.running) {
            start(l);
        } else {
            end_lane(l);
        }
    }

    /// Whether the lane's child is spawned by itself, which spares it a frame, in place of a lane that awaits it, which
    /// spares those behind it a spawn where it completes synchronously. A child of which others run already, or that
    /// suspended the last time, will suspend, for all that is known; now and then a lane looks if that still holds.
    bool spawns_child() {
        if constexpr (
            Job::fail_fast) { // a failure of one that is spawned is heard of late: nothing may come behind it
            return core_.exhausted();
        } else if constexpr (chains) {
            auto const n = calls_.load(std::memory_order_relaxed);
            auto const first = core_.pulled_count() == 1;
            calls_.store(static_cast<std::uint8_t>(n + (first ? 1 : 0)), std::memory_order_relaxed);
            return core_.in_flight() > 1 || core_.exhausted() ||
                   (n % looks_each != 0 && first_suspends_.load(std::memory_order_relaxed));
        } else if constexpr (reuses_lanes) {
            return core_.in_flight() > 1 && core_.pulled_count() % looks_each != 0;
        } else {
            return true;
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

    template <class AwaitableExecutor>
    decltype(auto) executor_as(lane_type const& l) const {
        if constexpr (std::is_same_v<AwaitableExecutor, Executor>) {
            return executor_of(l);
        } else {
            return AwaitableExecutor(executor_of(l));
        }
    }

    template <class AwaitableExecutor, class Which>
    void spawn(lane_type& l, Which which) {
        static_assert(
            std::is_convertible_v<Executor, AwaitableExecutor>,
            "fanout: these awaitables are bound to an executor type that the fan-out does not run on");
        try {
            using made = std::remove_cvref_t<decltype(make(l, which))>;
            if constexpr (may_spawn_children && spawnable<made>) {
                if (spawns_child()) {
                    boost::asio::co_spawn(executor_as<AwaitableExecutor>(l), make(l, which),
                                          child_end<FanOut, Which>(ref(self_pointer()), l));
                    return;
                }
            }
            l.initiating = true; // a lane may chain children while it has not suspended
            boost::asio::co_spawn(executor_as<AwaitableExecutor>(l),
                                  run_lane<AwaitableExecutor>(*self_pointer(), l, which),
                                  lane_end<FanOut>(ref(self_pointer()), l));
            l.initiating = false;
            if constexpr (chains && !Job::fail_fast) {
                if (l.work.index == 0) {
                    first_suspends_.store(core_.pulled_count() == 1, std::memory_order_relaxed);
                }
            }
        } catch (...) {
            rejected(l, which, current_error_code(), std::current_exception());
            end_lane(l);
            if constexpr (Threaded) {
                pump(); // else whoever started it goes on to
            }
        }
    }

    /// Runs an operation on a handler lane, and those after it, until one does not end within its own initiation. True
    /// where that is the first of them.
    template <class Which>
    BOOST_FORCEINLINE bool go_on_with(lane_type& l, Which which) {
        if (initiate(l, which)) [[likely]] {
            return true;
        }
        ended_at_once(l, which);
        return false;
    }

    /// Starts an operation; false where it has ended already.
    template <class Which>
    BOOST_FORCEINLINE bool initiate(lane_type& l, Which which) {
        l.initiating = true;
        try {
            if constexpr (looks_for_reentrancy) {
                enters_permit(l, l.signal.slot());
            }
            auto operation = make(l, which);
            using signature = boost::asio::completion_signature_of_t<decltype(operation)>;
            std::move(operation)(operation_end<FanOut, Which, signature>(ref(self_pointer()), l));
        } catch (...) {
            rejected(l, which, current_error_code(), std::current_exception());
            l.ended_in_initiation = true;
        }
        l.initiating = false;
        return !l.ended_in_initiation;
    }

    template <class Which>
    BOOST_NOINLINE void ended_at_once(lane_type& l, Which which) {
        do {
            l.ended_in_initiation = false;
            if (reuses_lanes && --l.until_turn == 0) {
                l.until_turn = children_per_turn;
                yields();
                boost::asio::post(executor_of(l), [self = ref(self_pointer()), &l, which]() mutable {
                    self->is_back(l);
                    FanOut::enter(std::move(self), [&l, which](FanOut& f) { f.go_on(l, which); });
                });
                return;
            }
            if (!reuses_lanes || !next(l)) {
                return end_lane(l);
            }
        } while (!initiate(l, which));
    }

    template <class Which>
    BOOST_FORCEINLINE bool go_on(lane_type& l, Which which) {
        if (reuses_lanes && next(l)) {
            return go_on_with(l, which);
        }
        end_lane(l);
        return false;
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

    // Of all calls of this kind; a wrong guess costs time and nothing else.
    static inline std::atomic<bool> first_suspends_{false};
    static inline std::atomic<std::uint8_t> calls_{1};
    static constexpr std::size_t looks_each = 32;

    Executor executor_;
    lane_type* emitting_ = nullptr; ///< its cancellation is being emitted
    bool closed_while_emitting_ = false;
    bool cancellable_ = false;
    bool pump_posted_ = false;
};

} // namespace fanout::detail
