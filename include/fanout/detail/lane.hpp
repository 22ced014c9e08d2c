// SPDX-License-Identifier: BSL-1.0
#pragma once

// A lane runs children one after another: a coroutine lane for awaitables, a handler lane for Asio operations.

#include <fanout/concepts.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

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

/// One lane and the attempt it runs.
template <class TimePoint, class Item, class Executor, class Permit, class Place, class About>
struct lane {
    // Neighbours among the live lanes (or the free ones), and among those with a timeout, earliest first.
    lane* previous = nullptr;
    lane* next = nullptr;
    lane* sooner = nullptr;
    lane* later = nullptr;

    boost::asio::cancellation_signal signal;
    std::optional<Executor> executor; ///< its own strand, where children run in parallel
    ticket work;
    Item item{};
    [[no_unique_address]] Permit held{}; ///< of the limit, where that gives out permits
    [[no_unique_address]] Place place{}; ///< in its key, where the limit is keyed
    [[no_unique_address]] About about{}; ///< of the attempt, where a factory takes it
    TimePoint started{};
    TimePoint timeout{};
    std::uint32_t incarnation = 0; ///< counts attempts, to tell a cancellation that comes too late
    std::uint32_t in_a_row = 0;
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
        if (engine.cancellable()) {
            // What a child did to these is for the whole lane, not for the child's frame: put them back.
            co_await boost::asio::this_coro::reset_cancellation_state();
            co_await boost::asio::this_coro::throw_if_cancelled(true);
        }
        if constexpr (!Engine::reuses_lanes) {
            co_return;
        } else {
            if (++lane.in_a_row == children_per_turn) {
                lane.in_a_row = 0;
                engine.yields();
                co_await boost::asio::post(boost::asio::deferred);
                engine.is_back(lane);
            }
            if (!engine.next(lane)) {
                co_return;
            }
        }
    }
}

/// Ends a coroutine lane. Owns the engine.
template <class Engine>
class lane_end {
public:
    using cancellation_slot_type = boost::asio::cancellation_slot;

    lane_end(typename Engine::ref engine, typename Engine::lane_type& lane) noexcept
        : engine_(std::move(engine)), lane_(&lane) {}

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return engine_->cancellable() ? lane_->signal.slot() : cancellation_slot_type();
    }

    void operator()(std::exception_ptr) { Engine::lane_ended(std::move(engine_), *lane_); }

private:
    typename Engine::ref engine_;
    typename Engine::lane_type* lane_;
};

/// The completion handler of an operation on a handler lane. Owns the engine. It takes what the operation's signature
/// says, so that an argument which merely converts to it does so here.
template <class Engine, class Index, class Signature>
class operation_end;

template <class Engine, class Index, class... Args>
class operation_end<Engine, Index, void(Args...)> {
public:
    using executor_type = typename Engine::executor_type;
    using cancellation_slot_type = boost::asio::cancellation_slot;

    operation_end(typename Engine::ref engine, typename Engine::lane_type& lane) noexcept
        : engine_(std::move(engine)), lane_(&lane) {}

    executor_type get_executor() const noexcept { return engine_->executor_of(*lane_); }

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return engine_->cancellable() ? lane_->signal.slot() : cancellation_slot_type();
    }

    void operator()(std::decay_t<Args>... args) {
        if (engine_->cancellable()) { // an operation may leave its cancellation handler behind
            lane_->signal.slot().clear();
        }
        settle(std::move(args)...);
        if (lane_->initiating) {
            lane_->ended_in_initiation = true; // whoever initiates goes on, or this would be a recursion
        } else {
            Engine::operation_ended(std::move(engine_), *lane_, Index{});
        }
    }

private:
    template <class... Ts>
    void settle(error_code&& e, Ts&&... values) {
        if (e) {
            engine_->rejected(*lane_, Index{}, e, nullptr);
        } else {
            value(std::move(values)...);
        }
    }

    template <class... Ts>
    void settle(std::exception_ptr&& e, Ts&&... values) {
        if (e) {
            engine_->rejected(*lane_, Index{}, std::move(e));
        } else {
            value(std::move(values)...);
        }
    }

    template <class... Ts>
    void settle(Ts&&... values) {
        value(std::move(values)...);
    }

    template <class... Ts>
    void value(Ts&&... values) {
        if constexpr (sizeof...(Ts) == 0) {
            engine_->fulfilled(*lane_, Index{});
        } else {
            try {
                if constexpr (sizeof...(Ts) == 1) {
                    engine_->settled(*lane_, Index{}, std::move(values)...);
                } else {
                    engine_->settled(*lane_, Index{}, std::tuple<Ts...>(std::move(values)...));
                }
            } catch (...) {
                engine_->rejected(*lane_, Index{}, current_error_code(), std::current_exception());
            }
        }
    }

    typename Engine::ref engine_;
    typename Engine::lane_type* lane_;
};

} // namespace fanout::detail
