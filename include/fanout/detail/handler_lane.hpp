// SPDX-License-Identifier: BSL-1.0
#pragma once

// Handler lanes, which run Asio operations one after another without a coroutine.

#include <fanout/concepts.hpp>
#include <fanout/detail/coroutine_lane.hpp>
#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/operation_memory.hpp>
#include <fanout/error.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/config.hpp>

#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

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

/// The part of `FanOut` that starts children of either kind: Asio operations itself.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class handler_lanes : public coroutine_lanes<FanOut, Job, Executor, Allocator, Threaded> {
    using base = coroutine_lanes<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using base::enters_permit;
    using base::executor_of;
    using base::is_back;
    using base::looks_for_reentrancy;
    using base::make;
    using base::next;
    using base::rejected;
    using base::reuses_lanes;
    using base::yields;
    using typename base::lane_type;
    using typename base::ref;

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
    using base::base;
    using base::end_lane;
    using base::job_;
    using base::self_pointer;

    /// Starts the lane's attempt.
    void start(lane_type& l) {
        job_.visit(l.work.index, [&](auto which) {
            using made = std::remove_cvref_t<decltype(make(l, which))>;
            if constexpr (is_awaitable<made>) {
                this->template spawn<typename made::executor_type>(l, which);
            } else {
                go_on_with(l, which);
            }
        });
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
};

} // namespace fanout::detail
