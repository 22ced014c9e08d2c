// SPDX-License-Identifier: BSL-1.0
#pragma once

// The caller's side of a fan-out: its completion handler, the work that keeps its executor going, and its
// cancellation slot.

#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/serial.hpp>
#include <fanout/detail/step.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associated_immediate_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Marks the fan-out whose initiation is on this thread's stack: it must not call its handler there.
class initiation {
public:
    explicit initiation(void const* f) noexcept : outer_(std::exchange(current(), f)) {}
    initiation(initiation const&) = delete;
    initiation& operator=(initiation const&) = delete;
    ~initiation() { current() = outer_; }

    static bool of(void const* f) noexcept { return current() == f; }

private:
    static void const*& current() noexcept {
        static thread_local void const* f = nullptr;
        return f;
    }

    void const* outer_;
};

/// What a caller's cancellation knows of its fan-out.
struct cancel_link {
    any_fan_out* target;
    void (*cancel)(any_fan_out&, boost::asio::cancellation_type);
};

struct cancel_handler {
    std::shared_ptr<cancel_link> link;

    void operator()(boost::asio::cancellation_type type) const {
        if (link->target != nullptr) {
            link->cancel(*link->target, type);
        }
    }
};

template <class FanOut, class Handler, class Executor>
class completion {
    using ref = counted_ref<FanOut>;
    using handler_executor = boost::asio::associated_executor_t<Handler, Executor>;
    using tracked_executor = std::decay_t<typename boost::asio::prefer_result<
        handler_executor, boost::asio::execution::outstanding_work_t::tracked_t>::type>;

public:
    /// `same`: it is known that the handler's executor is the fan-out's, `ex`.
    template <class H>
    completion(H&& handler, Executor const& ex, bool same)
        : handler_(std::forward<H>(handler)), same_executor_(same) {
        if (!same) {
            executor_.emplace(boost::asio::get_associated_executor(handler_, ex));
            if constexpr (std::is_same_v<handler_executor, Executor>) {
                same_executor_ = *executor_ == ex;
            }
        }
        if (!same_executor_ || !FanOut::lanes_count_as_work) {
            work_.emplace(boost::asio::prefer(boost::asio::get_associated_executor(handler_, ex),
                                              boost::asio::execution::outstanding_work.tracked));
        }
    }
    completion(completion const&) = delete;
    completion& operator=(completion const&) = delete;
    ~completion() { disconnect(); }

    Handler const& handler() const noexcept { return handler_; }

    bool cancellable() const noexcept {
        return boost::asio::get_associated_cancellation_slot(handler_).is_connected();
    }

    /// Takes the caller's cancellation from now on.
    void connect(FanOut& f) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) {
            auto const l = std::make_shared<cancel_link>();
            l->target = &f;
            l->cancel = [](any_fan_out& target, boost::asio::cancellation_type type) {
                auto& self = static_cast<FanOut&>(target);
                self.completion_.cancel(ref(&self), type);
            };
            link_ = l;
            slot.assign(cancel_handler{l});
        }
    }

    /// All has ended: calls the handler on its executor, never within the initiation. Takes the last reference
    /// but those of cancellations on their way.
    static void complete(ref self) {
        if (FanOut::is_threaded || (FanOut::runs_operations && self.count() > 1)) {
            // The timer belongs to its strand. And an operation may still hold memory of its lane while it calls us, although
            // it should not: it has freed it when it returns, so that the handler is called after the fan-out is gone.
            auto const ex = self->executor();
            boost::asio::post(ex, make_step<&completion::hand_over>(std::move(self)));
        } else {
            hand_over(std::move(self));
        }
    }

private:
    /// Runs on the handler's executor and owns the fan-out until it is freed.
    using last_step = step_in<step<>, boost::asio::associated_allocator_t<Handler>>;

    static void hand_over(ref self) {
        self->alarm_.stop();
        auto& c = self->completion_;
        auto const initiating = initiation::of(self.get());
        auto const ex = c.executor(*self);
        if (!initiating && runs_here(ex)) {
            finalise(std::move(self));
            return;
        }
        auto const immediate = boost::asio::get_associated_immediate_executor(c.handler_, ex);
        auto allocator = boost::asio::get_associated_allocator(c.handler_);
        last_step last(make_step<&completion::finalise>(std::move(self)), allocator);
        if (initiating) {
            boost::asio::dispatch(immediate, std::move(last));
        } else {
            boost::asio::dispatch(ex, std::move(last));
        }
    }

    static void finalise(ref self) {
        auto& c = self->completion_;
        if (c.on_their_way_ > 0) {
            c.waiting_ = true; // the last cancellation to come back takes up from here
            return;
        }
        c.disconnect();
        auto slot = boost::asio::get_associated_cancellation_slot(c.handler_);
        if (slot.is_connected()) {
            slot.clear();
        }
        auto result = self->safe_result();
        auto handler = std::move(c.handler_);
        auto const work = std::move(c.work_);
        self.reset(); // before the handler is called
        if constexpr (std::is_same_v<decltype(result), std::exception_ptr>) {
            std::move(handler)(std::move(result));
        } else {
            std::move(handler)(std::move(result.first), std::move(result.second));
        }
    }

    /// The caller cancels, on its executor. Where the fan-out runs on another, the request travels there and back,
    /// so that the caller's side of it is touched on the caller's executor only.
    void cancel(ref self, boost::asio::cancellation_type type) {
        if (same_executor_ && !FanOut::is_threaded) {
            FanOut::enter(std::move(self), [type](FanOut& f) { f.cancel(type); });
            return;
        }
        ++on_their_way_;
        auto const there = self->executor();
        auto const here = executor(*self);
        boost::asio::post(there, make_step<&completion::cancel_there>(std::move(self), type, here));
    }
    static void cancel_there(ref self, boost::asio::cancellation_type type, handler_executor back) {
        FanOut::enter(ref(self.get()), [type](FanOut& f) { f.cancel(type); });
        boost::asio::dispatch(back, make_step<&completion::is_back>(std::move(self)));
    }
    static void is_back(ref self) {
        auto& c = self->completion_;
        if (--c.on_their_way_ == 0 && c.waiting_) {
            finalise(std::move(self));
        }
    }

    /// A signal emitted from now on finds nothing.
    void disconnect() noexcept {
        if (auto const l = link_.lock()) {
            l->target = nullptr;
        }
    }

    handler_executor executor([[maybe_unused]] FanOut const& f) const noexcept {
        if constexpr (std::is_same_v<handler_executor, Executor>) {
            return executor_ ? *executor_ : f.executor();
        } else {
            return *executor_;
        }
    }

    Handler handler_;
    std::optional<handler_executor> executor_; ///< none where it is the fan-out's own
    std::optional<tracked_executor> work_;
    std::weak_ptr<cancel_link> link_;
    std::size_t on_their_way_ = 0;
    bool waiting_ = false;
    bool same_executor_;
};

} // namespace fanout::detail
