// SPDX-License-Identifier: BSL-1.0
#pragma once

// A lane runs children one after another: a coroutine lane for awaitables, a handler lane for Asio operations.

#include <fanout/concepts.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/operation_memory.hpp>
#include <fanout/detail/serial.hpp>
#include <fanout/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/config.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// After so many children in a row a lane goes through the event loop, so that children which complete
/// synchronously starve nobody.
inline constexpr std::uint32_t children_per_turn = 256;

/// Why a running child was asked to end.
enum class cancel_cause : std::uint8_t { none, sibling, caller, timeout };

/// Where lanes run on the fan-out's own executor.
struct no_strand {};

/// One lane and the attempt it runs.
template <class TimePoint, class Item, class Strand, class Permit, class Place, class About, class Memory>
struct lane {
    bool state_replaced = true; ///< is told through `signal` until its end, and so stands before it

    // Neighbours among the live lanes (or the free ones), and among those with a timeout, earliest first.
    lane* previous = nullptr;
    lane* next = nullptr;
    lane* sooner = nullptr;
    lane* later = nullptr;

    boost::asio::cancellation_signal signal;
    [[no_unique_address]] Strand strand; ///< its own, where children run in parallel
    ticket work{0, 1};
    Item item{};
    [[no_unique_address]] Permit held{}; ///< of the limit, where that gives out permits
    [[no_unique_address]] Place place{}; ///< in its key, where the limit is keyed
    [[no_unique_address]] About about{}; ///< of the attempt, where a factory takes it
    [[no_unique_address]] Memory memory; ///< of the operation that it runs
    TimePoint started{};
    TimePoint timeout{};
    std::uint32_t incarnation = 0; ///< counts attempts, to tell a cancellation that comes too late
    std::uint32_t until_turn = children_per_turn;
    std::uint32_t number = 0; ///< of the lane, for observers; the store gives it
    cancel_cause cause = cancel_cause::none;
    bool running = false;
    bool timed = false;
    bool initiating = false;
    bool ended_in_initiation = false;
};

/// The error code of what was thrown; call it in a catch block.
inline error_code current_error_code() noexcept {
    try {
        throw;
    } catch (boost::system::system_error const& e) {
        return e.code();
    } catch (std::system_error const& e) {
        return e.code();
    } catch (
        boost::asio::multiple_exceptions const& several) { // of awaitable_operators: the first one counts
        if (auto const first = several.first_exception()) {
            try {
                std::rethrow_exception(first);
            } catch (...) {
                return current_error_code();
            }
        }
        return errc::exception;
    } catch (...) {
        return errc::exception;
    }
}

/// A filter that allows what a coroutine's cancellation state allows at first, and tells when that state is replaced: a
/// state owns its filters. To put a state back costs as much as the rest of a lane between two children.
class state_watch {
public:
    explicit state_watch(bool& replaced) noexcept : replaced_(&replaced) {}
    state_watch(state_watch&& other) noexcept : replaced_(std::exchange(other.replaced_, nullptr)) {}
    state_watch& operator=(state_watch&&) = delete;
    ~state_watch() {
        if (replaced_ != nullptr) {
            *replaced_ = true;
        }
    }

    boost::asio::cancellation_type operator()(boost::asio::cancellation_type type) const noexcept {
        return boost::asio::enable_terminal_cancellation()(type);
    }

private:
    bool* replaced_;
};

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
                if (engine.cancellable()) { // else the next line may throw
                    co_await boost::asio::this_coro::reset_cancellation_state();
                    co_await boost::asio::this_coro::throw_if_cancelled(true);
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
                } else if (lane.state_replaced) [[unlikely]] {
                    auto put_back = boost::asio::this_coro::reset_cancellation_state(
                        state_watch(lane.state_replaced), boost::asio::enable_terminal_cancellation());
                    co_await std::move(put_back); // which replaces the one that was watched
                    lane.state_replaced = false;
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

/// Where the end of a coroutine lane is told: on the lane's executor, and at once where this thread runs that already.
/// Unlike a copy of that executor it costs nothing and counts no work: the lane's coroutine does.
template <class Engine>
class lane_executor {
public:
    lane_executor(Engine const& engine, typename Engine::lane_type const& lane) noexcept
        : engine_(&engine), lane_(&lane) {}

    bool operator==(lane_executor const&) const noexcept = default;

    template <class F>
    void execute(F&& f) const {
        if (auto const& ex = engine_->executor_of(*lane_); runs_here(ex)) {
            std::decay_t<F>(std::forward<F>(f))();
        } else {
            boost::asio::dispatch(ex, std::forward<F>(f));
        }
    }

private:
    Engine const* engine_;
    typename Engine::lane_type const* lane_;
};

/// Nothing but where it is told. Where lanes are cancelled as a rule, this is left to `co_spawn`, which would otherwise send a
/// cancellation to that executor by a signal in shared memory.
template <class Engine, bool Own = !Engine::is_fail_fast>
struct told_where {};
template <class Engine>
struct told_where<Engine, true> {
    using executor_type = lane_executor<Engine>;
};

/// Ends a coroutine lane. Owns the engine.
template <class Engine>
class lane_end : public told_where<Engine> {
public:
    using cancellation_slot_type = boost::asio::cancellation_slot;

    lane_end(typename Engine::ref engine, typename Engine::lane_type& lane) noexcept
        : engine_(std::move(engine)), lane_(&lane) {}

    lane_executor<Engine> get_executor() const noexcept { return {*engine_, *lane_}; }

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return engine_->cancellable() ? lane_->signal.slot() : cancellation_slot_type();
    }

    void operator()(std::exception_ptr) { Engine::lane_ended(std::move(engine_), *lane_); }

protected:
    typename Engine::ref engine_;
    typename Engine::lane_type* lane_;
};

/// Whether a lane of one child may be that child itself, spawned, which spares a coroutine's frame: Asio makes a value of
/// a child that threw, and hands the value on in a handler, which nothing may be thrown from.
template <class Awaitable>
inline constexpr bool spawnable = false;
template <class Executor>
inline constexpr bool spawnable<boost::asio::awaitable<void, Executor>> = true;
template <class T, class Executor>
inline constexpr bool spawnable<boost::asio::awaitable<T, Executor>> =
    std::is_nothrow_default_constructible_v<T> && std::is_nothrow_move_constructible_v<T>;

/// Ends a lane that is its one child. Owns the engine.
template <class Engine, class Index>
class child_end : public lane_end<Engine> {
public:
    using lane_end<Engine>::lane_end;

    template <class... T>
    void operator()(std::exception_ptr e, T&&... value) {
        auto& engine = *this->engine_;
        if (e) {
            engine.rejected(*this->lane_, Index{}, std::move(e));
        } else {
            try {
                if constexpr (sizeof...(T) == 0) {
                    engine.fulfilled(*this->lane_, Index{});
                } else {
                    engine.settled(*this->lane_, Index{}, std::move(value)...);
                }
            } catch (...) {
                engine.rejected(*this->lane_, Index{}, current_error_code(), std::current_exception());
            }
        }
        Engine::lane_ended(std::move(this->engine_), *this->lane_);
    }
};

/// The completion handler of an operation on a handler lane. Owns the engine. It takes what the operation's signature
/// says, so that an argument which merely converts to it does so here.
template <class Engine, class Index, class Signature>
class operation_end;

template <class Engine, class Index, class... Args>
class operation_end<Engine, Index, void(Args...)> {
    using lane_type = typename Engine::lane_type;
    using ref = typename Engine::ref;

public:
    using executor_type = typename Engine::executor_type;
    using cancellation_slot_type = boost::asio::cancellation_slot;
    using allocator_type = lane_allocator<void, Engine>;

    operation_end(typename Engine::ref engine, lane_type& lane) noexcept : lane_(&lane) { engine.release(); }
    operation_end(operation_end&& other) noexcept : lane_(std::exchange(other.lane_, nullptr)) {}
    operation_end& operator=(operation_end&&) = delete;
    ~operation_end() {
        if (lane_ != nullptr) [[unlikely]] {
            abandon();
        }
    }

    executor_type get_executor() const noexcept { return engine().executor_of(*lane_); }
    allocator_type get_allocator() const noexcept { return allocator_type(*lane_); }

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return engine().cancellable() ? lane_->signal.slot() : cancellation_slot_type();
    }

    void operator()(std::decay_t<Args>... args) {
        auto self = owner();
        auto& lane = *std::exchange(lane_, nullptr);
        auto emitting = false; // its cancellation handler is still on the stack
        if (self->cancellable()) {
            emitting = self->emits_to(lane);
            if (auto slot = lane.signal.slot(); slot.has_handler()) { // an operation may leave it behind
                slot.clear();
            }
        }
        settle(*self, lane, std::move(args)...);
        if (lane.initiating) [[unlikely]] {
            lane.ended_in_initiation = true; // whoever initiates goes on, or this would be a recursion
        } else if (emitting) [[unlikely]] {
            Engine::end_later(std::move(self), lane, Index{});
        } else {
            Engine::operation_ended(std::move(self), lane, Index{});
        }
    }

private:
    template <class... Ts>
    static void settle(Engine& engine, lane_type& lane, error_code&& e, Ts&&... values) {
        if (e) {
            engine.rejected(lane, Index{}, e, nullptr);
        } else {
            value(engine, lane, std::move(values)...);
        }
    }

    template <class... Ts>
    static void settle(Engine& engine, lane_type& lane, std::exception_ptr&& e, Ts&&... values) {
        if (e) {
            engine.rejected(lane, Index{}, std::move(e));
        } else {
            value(engine, lane, std::move(values)...);
        }
    }

    template <class... Ts>
    static void settle(Engine& engine, lane_type& lane, Ts&&... values) {
        value(engine, lane, std::move(values)...);
    }

    template <class... Ts>
    static void value(Engine& engine, lane_type& lane, Ts&&... values) {
        if constexpr (sizeof...(Ts) == 0) {
            engine.fulfilled(lane, Index{});
        } else {
            try {
                if constexpr (sizeof...(Ts) == 1) {
                    engine.settled(lane, Index{}, std::move(values)...);
                } else {
                    engine.settled(lane, Index{}, std::tuple<Ts...>(std::move(values)...));
                }
            } catch (...) {
                engine.rejected(lane, Index{}, current_error_code(), std::current_exception());
            }
        }
    }

    Engine& engine() const noexcept { return *static_cast<Engine*>(lane_->memory.owner); }
    ref owner() const noexcept { return ref::adopt(&engine()); }
    BOOST_NOINLINE void abandon() noexcept { owner(); } // it was destroyed without being called

    lane_type* lane_; ///< with a reference to the engine: one pointer, since a handler is moved so often
};

} // namespace fanout::detail
