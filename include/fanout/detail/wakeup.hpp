// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one timer of a fan-out: sleeping retries, attempt timeouts and the deadline all wait for it.

#include <fanout/detail/step.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace fanout::detail {

/// What a pending wait knows of its fan-out.
struct alarm_link {
    any_fan_out* target = nullptr;
    void (*fire)(any_fan_out&) = nullptr;
    any_ref owner;
};

struct alarm_handler {
    std::shared_ptr<alarm_link> pending;

    void operator()(boost::system::error_code const& e) const {
        if (!e && pending->target != nullptr) {
            pending->fire(*pending->target);
        }
    }
};

/// Wakes a fan-out. While it is set, the pending wait owns the fan-out, since nothing else does when all inputs sleep; so a
/// context that is destroyed frees it. A wait that was overtaken finds no target, or fires for nothing: both do no harm.
template <class Clock, class Executor>
class wakeup {
public:
    /// Calls `fire(f)` on its executor, at `t` or earlier.
    void set(any_fan_out& f, Executor const& ex, void (*fire)(any_fan_out&), typename Clock::time_point t) {
        if (armed_ && !(t < at_)) {
            return;
        }
        if (!timer_) {
            timer_.emplace(ex);
        }
        auto pending = pending_.lock();
        if (!pending) {
            pending_ = pending = std::make_shared<alarm_link>();
            pending->target = &f;
            pending->fire = fire;
        }
        armed_ = false; // should there be no memory for another wait: the one before it ends
        timer_->expires_at(t);
        timer_->async_wait(alarm_handler{pending});
        if (!pending->owner) {
            pending->owner = any_ref(&f);
        }
        at_ = t;
        armed_ = true;
    }

    /// It fired: hands out its reference, and may be set again.
    any_ref fired() noexcept {
        armed_ = false;
        auto const pending = pending_.lock();
        return pending ? std::move(pending->owner) : any_ref();
    }

    /// Will not fire any more. On the timer's executor.
    void stop() noexcept {
        if (!timer_) {
            return;
        }
        if (auto const pending = pending_.lock()) {
            pending->target = nullptr;
            pending->owner.reset();
        }
        pending_.reset(); // a second call, from the destructor, finds nothing
        timer_.reset();
    }

    ~wakeup() { stop(); }

private:
    using timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

    std::weak_ptr<alarm_link> pending_; ///< owned by the waits alone
    std::optional<timer> timer_;
    typename Clock::time_point at_{};
    bool armed_ = false;
};

} // namespace fanout::detail
