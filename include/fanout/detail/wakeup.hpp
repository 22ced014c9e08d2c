// SPDX-License-Identifier: BSL-1.0
#pragma once

// The one timer of a fan-out: sleeping retries, attempt timeouts and the deadline all wait for it.

#include <fanout/detail/counted_ref.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace fanout::detail {

/// Wakes `FanOut` by `wake()`. While it is set, the pending wait owns the fan-out, since nothing else does when
/// all inputs sleep; so a context that is destroyed frees it. A wait that was overtaken finds no target, or fires
/// for nothing: both do no harm.
template <class FanOut, class Clock, class Executor>
class wakeup {
public:
    /// Fires at `t` or earlier.
    void set(FanOut& f, typename Clock::time_point t) {
        if (armed_ && !(t < at_)) {
            return;
        }
        if (!timer_) {
            timer_.emplace(f.executor());
        }
        auto pending = pending_.lock();
        if (!pending) {
            pending_ = pending = std::make_shared<link>();
            pending->target = &f;
        }
        timer_->expires_at(t);
        timer_->async_wait([pending](boost::system::error_code const& e) {
            if (!e && pending->target != nullptr) {
                FanOut::on_alarm(*pending->target);
            }
        });
        if (!pending->owner) {
            pending->owner = counted_ref<FanOut>(&f);
        }
        at_ = t;
        armed_ = true;
    }

    /// It fired: hands out its reference, and may be set again.
    counted_ref<FanOut> fired() noexcept {
        armed_ = false;
        auto const pending = pending_.lock();
        return pending ? std::move(pending->owner) : counted_ref<FanOut>();
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
    struct link {
        FanOut* target = nullptr;
        counted_ref<FanOut> owner;
    };
    using timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

    std::weak_ptr<link> pending_; ///< owned by the waits alone
    std::optional<timer> timer_;
    typename Clock::time_point at_{};
    bool armed_ = false;
};

} // namespace fanout::detail
