// SPDX-License-Identifier: BSL-1.0
#pragma once

// Coroutine lanes, which await child after child, and children that are spawned by themselves.

#include <fanout/concepts.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/lane_driver.hpp>
#include <fanout/detail/lane_end.hpp>
#include <fanout/detail/step.hpp>
#include <fanout/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The filter of a lane's own cancellation state: it allows what such a state allows at first, and it answers, so that the
/// lane knows whether a child has replaced the state: to put it back costs more than to ask. It is empty, so that this
/// state needs no more memory than the one that `co_spawn` made: without memory Asio would leave the coroutine with none.
struct own_state {
    static constexpr boost::asio::cancellation_type question{1U << 30};
    static constexpr boost::asio::cancellation_type answer{1U << 29};

    constexpr boost::asio::cancellation_type operator()(boost::asio::cancellation_type type) const noexcept {
        return type == question ? answer : boost::asio::enable_terminal_cancellation()(type);
    }
};
static_assert(std::is_empty_v<own_state>);

/// The coroutine lane: awaits child after child. The engine outlives it: the lane's completion handler owns it.
template <class AwaitableExecutor, class Engine, class Index>
boost::asio::awaitable<void, AwaitableExecutor> run_lane(Engine& engine, typename Engine::lane_type& lane,
                                                         Index which) {
    for (;;) {
        try {
            if constexpr (Engine::looks_for_reentrancy) {
                auto const state = co_await boost::asio::this_coro::cancellation_state;
                engine.enters_permit(lane, state.slot());
            }
            if constexpr (std::is_void_v<raw_value_t<decltype(engine.make(lane, which))>>) {
                co_await engine.make(lane, which);
                engine.fulfilled(lane, which);
            } else {
                engine.settled(lane, which, co_await engine.make(lane, which));
            }
        } catch (boost::system::system_error const& e) {
            engine.rejected(lane, which, e.code(), std::current_exception());
        } catch (...) {
            engine.rejected(lane, which, current_error_code(), std::current_exception());
        }
        if constexpr (!Engine::reuses_lanes && !Engine::chains) {
            co_return;
        } else {
            if constexpr (Engine::chains) {
                if (!lane.initiating) { // the child has suspended, and may have ended on another executor
                    co_return;
                }
            }
            if (--lane.until_turn == 0) {
                lane.until_turn = children_per_turn;
                engine.yields();
                if (engine.cancellable()) { // or the next line might throw, behind a child that was cancelled
                    co_await boost::asio::this_coro::throw_if_cancelled(false);
                }
                co_await boost::asio::post(Engine::next_turn);
                engine.is_back(lane);
            }
            if (!engine.next(lane)) {
                co_return;
            }
            if (engine.cancellable()) {
                // What a child did to these is for the whole lane, not for the child's frame: put them back.
                if constexpr (!Engine::watches_states) {
                    co_await boost::asio::this_coro::reset_cancellation_state();
                } else {
                    lane.signal.emit(own_state::question); // which also forgets that the child was cancelled
                    auto state = co_await boost::asio::this_coro::cancellation_state;
                    if (state.cancelled() == own_state::answer) [[likely]] {
                        state.clear();
                        if (auto left = state.slot(); left.has_handler()) [[unlikely]] {
                            left.clear();
                        }
                    } else {
                        co_await boost::asio::this_coro::reset_cancellation_state(
                            own_state(), boost::asio::enable_terminal_cancellation());
                    }
                }
                co_await boost::asio::this_coro::throw_if_cancelled(true);
            }
            if constexpr (Engine::chains) { // the next child is of another type
                co_await engine.template follow<AwaitableExecutor>(lane);
                co_return;
            }
        }
    }
}

/// The part of `FanOut` that starts awaitables.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class coroutine_lanes : public lane_driver<FanOut, Job, Executor, Allocator, Threaded> {
    using base = lane_driver<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using base::chains;
    using base::executor_of;
    using base::make;
    using base::may_spawn_children;
    using base::rejected;
    using base::reuses_lanes;
    using typename base::lane_type;
    using typename base::ref;

    /// A lane that was its one child has ended.
    static void child_ended(ref self, lane_type& l, [[maybe_unused]] std::exception_ptr&& e,
                            [[maybe_unused]] void* value) {
        if constexpr (may_spawn_children) {
            auto& f = *self;
            f.job_.visit(l.work.index, [&](auto which) {
                using made = std::remove_cvref_t<decltype(f.make(l, which))>;
                if constexpr (spawnable<made>) {
                    settle_spawned<typename made::value_type>(f, l, which, std::move(e), value);
                }
            });
        }
        FanOut::lane_ended(std::move(self), l);
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

protected:
    using base::base;
    using base::core_;
    using base::end_lane;
    using base::job_;
    using base::pump;
    using base::self_pointer;

    /// Whether the lane's child is spawned by itself, which spares it a frame, in place of a lane that awaits it, which
    /// spares those behind it a spawn where it completes synchronously. A child of which others run already, or that
    /// suspended the last time, will suspend, for all that is known; now and then a lane looks if that still holds.
    bool spawns_child() {
        if constexpr (
            Job::fail_fast) { // a failure of one that is spawned is heard of late: nothing may come behind it
            typename base::guard const lock(base::mutex_);
            return core_.exhausted();
        } else if constexpr (chains) {
            auto const n = calls.load(std::memory_order_relaxed);
            auto const first = core_.pulled_count() == 1;
            calls.store(static_cast<std::uint8_t>(n + (first ? 1 : 0)), std::memory_order_relaxed);
            return core_.in_flight() > 1 || core_.exhausted() ||
                   (n % looks_each != 0 && first_suspends.load(std::memory_order_relaxed));
        } else if constexpr (reuses_lanes) {
            return core_.in_flight() > 1 && core_.pulled_count() % looks_each != 0;
        } else {
            return true;
        }
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
                    using end = typename child_end_of<Executor, !Job::fail_fast, made>::type;
                    boost::asio::co_spawn(executor_as<AwaitableExecutor>(l), make(l, which),
                                          end(any_ref(self_pointer()), l));
                    return;
                }
            }
            if constexpr (chains) { // which a lane does while it has not suspended
                l.initiating = true;
            }
            boost::asio::co_spawn(executor_as<AwaitableExecutor>(l),
                                  run_lane<AwaitableExecutor>(*self_pointer(), l, which),
                                  lane_end<Executor, !Job::fail_fast>(any_ref(self_pointer()), l));
            if constexpr (chains) {
                l.initiating = false;
                if (!Job::fail_fast && which == 0) {
                    first_suspends.store(core_.pulled_count() == 1, std::memory_order_relaxed);
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

private:
    template <class T, class Which>
    static void settle_spawned(FanOut& f, lane_type& l, Which which, std::exception_ptr&& e, void* value) {
        if (e) {
            f.rejected(l, which, std::move(e));
            return;
        }
        try {
            if constexpr (std::is_void_v<T>) {
                f.fulfilled(l, which);
            } else {
                f.settled(l, which, std::move(*static_cast<T*>(value)));
            }
        } catch (...) {
            f.rejected(l, which, current_error_code(), std::current_exception());
        }
    }

    // Of all calls of this kind; a wrong guess costs time and nothing else.
    static inline std::atomic<bool> first_suspends{false};
    static inline std::atomic<std::uint8_t> calls{1};
    static constexpr std::size_t looks_each = 32;
};

} // namespace fanout::detail
