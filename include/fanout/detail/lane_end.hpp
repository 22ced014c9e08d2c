// SPDX-License-Identifier: BSL-1.0
#pragma once

// The completion handlers of coroutine lanes. They do not know the fan-out's type: see step.hpp.

#include <fanout/detail/lane.hpp>
#include <fanout/detail/serial.hpp>
#include <fanout/detail/step.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Where the end of a coroutine lane is told: on the lane's executor, and at once where this thread runs that already.
/// Unlike a copy of that executor it costs nothing and counts no work: the lane's coroutine does.
template <class Executor>
class lane_executor {
public:
    lane_executor(any_fan_out const& engine, lane_head const& lane) noexcept
        : engine_(&engine), lane_(&lane) {}

    bool operator==(lane_executor const&) const noexcept = default;

    template <class F>
    void execute(F&& f) const {
        if (auto const& ex = place(); runs_here(ex)) {
            std::decay_t<F>(std::forward<F>(f))();
        } else {
            boost::asio::dispatch(ex, std::forward<F>(f));
        }
    }

private:
    Executor const& place() const noexcept {
        return *static_cast<Executor const*>(engine_->functions().place_of(*engine_, *lane_));
    }

    any_fan_out const* engine_;
    lane_head const* lane_;
};

/// Nothing but where it is told. Where lanes are cancelled as a rule, this is left to `co_spawn`, which would otherwise send a
/// cancellation to that executor by a signal in shared memory.
template <class Executor, bool Own>
struct told_where {};
template <class Executor>
struct told_where<Executor, true> {
    using executor_type = lane_executor<Executor>;
};

/// Ends a coroutine lane of a fan-out on `Executor`. Owns the engine.
template <class Executor, bool Own>
class lane_end : public told_where<Executor, Own> {
public:
    using cancellation_slot_type = boost::asio::cancellation_slot;

    lane_end(any_ref engine, lane_head& lane) noexcept : engine_(std::move(engine)), lane_(&lane) {}

    lane_executor<Executor> get_executor() const noexcept { return {*engine_, *lane_}; }

    cancellation_slot_type get_cancellation_slot() const noexcept {
        return engine_->cancellable() ? lane_->signal.slot() : cancellation_slot_type();
    }

    void operator()(std::exception_ptr) {
        auto& f = *engine_.release();
        f.functions().end_of_lane(f, *lane_);
    }

protected:
    any_ref engine_;
    lane_head* lane_;
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

/// Ends a lane that is its one child, which yields `T...`. Owns the engine.
template <class Executor, bool Own, class... T>
class child_end : public lane_end<Executor, Own> {
public:
    using lane_end<Executor, Own>::lane_end;

    void operator()(std::exception_ptr e, T&&... value) {
        void* p = nullptr;
        ((p = const_cast<void*>(static_cast<void const volatile*>(std::addressof(value)))), ...);
        auto& f = *this->engine_.release();
        f.functions().end_of_child(f, *this->lane_, std::move(e), p);
    }
};

template <class Executor, bool Own, class Awaitable>
struct child_end_of;
template <class Executor, bool Own, class AwaitableExecutor>
struct child_end_of<Executor, Own, boost::asio::awaitable<void, AwaitableExecutor>> {
    using type = child_end<Executor, Own>;
};
template <class Executor, bool Own, class T, class AwaitableExecutor>
struct child_end_of<Executor, Own, boost::asio::awaitable<T, AwaitableExecutor>> {
    using type = child_end<Executor, Own, T>;
};

} // namespace fanout::detail
