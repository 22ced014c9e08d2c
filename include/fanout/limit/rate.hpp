// SPDX-License-Identifier: BSL-1.0
#pragma once

// So many starts per second, over all calls that share it: a token bucket.

#include <fanout/detail/token_bucket.hpp>
#include <fanout/error.hpp>
#include <fanout/limit/feedback.hpp>
#include <fanout/limit/semaphore.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/wait_traits.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace fanout {

/// A token bucket: holds up to `burst` tokens, gains `per_second`, and each start takes one. It says how many start,
/// not how many run: combine it with `limit(n)` by `all_of`.
///
///     fanout::rate writes(500, 50); // what the table is provisioned for
///     co_await fanout::retry_rejected(rows, write, policy, writes);
///
/// First come, first served; a fan-out stands in the line once. A permit that was not used gives its token back.
///
/// @tparam Clock What the tokens are counted by; a test gives one of its own.
/// @par Executor, thread safety, lifetimes
///   As `semaphore`: shared by reference, safe from any thread, to outlive whoever uses it. The first in line
///   waits on a timer of its own executor.
template <class Clock>
class basic_rate {
public:
    class permit;
    using permit_type = permit;
    static constexpr bool acquired_last = true; ///< a token is spent, not held: see `admission`

    /// A full bucket.
    ///
    /// @param per_second Tokens gained per second; more than 0, and finite.
    /// @param burst The most tokens it holds, at least 1. So many may start at once after a pause.
    /// @throws std::invalid_argument where either is not so.
    explicit basic_rate(double per_second, double burst = 1.0) : bucket_(per_second, burst, Clock::now()) {}
    basic_rate(basic_rate const&) = delete;
    basic_rate& operator=(basic_rate const&) = delete;

    /// A permit, or an empty one where there is no token or others wait.
    permit try_acquire() {
        auto const turn = line_.try_acquire();
        if (!turn) {
            return {};
        }
        std::lock_guard const lock(mutex_);
        return bucket_.try_take(Clock::now()) ? permit(*this) : permit();
    }

    /// Waits for a token; completes with `(error_code, permit)`. Errors and cancellation as `semaphore`'s.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(Token&& token = Token()) {
        return boost::asio::async_compose<Token, void(error_code, permit)>(wait(*this), token);
    }

    double per_second() const noexcept { return bucket_.per_second(); }
    double burst() const noexcept { return bucket_.burst(); }

    /// How many stand in the line, the first one included.
    std::size_t waiting() const { return line_.waiting() + line_.in_use(); }

private:
    class wait;

    void give_back() noexcept {
        std::lock_guard const lock(mutex_);
        bucket_.give_back();
    }

    mutable std::mutex mutex_;
    detail::token_bucket<typename Clock::time_point> bucket_;
    semaphore line_{1}; ///< who holds its one permit is first in line
};

/// A token that was taken; given back when it is destroyed without having been used. May be empty.
template <class Clock>
class [[nodiscard]] basic_rate<Clock>::permit {
public:
    permit() noexcept = default;
    permit(permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            owner_ = std::exchange(other.owner_, nullptr);
        }
        return *this;
    }
    ~permit() { release(); }

    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /// Ends its use. The token goes back where `f.ended` is `not_started`, as it is by default.
    void release(feedback const& f = {}) noexcept {
        if (auto* const owner = std::exchange(owner_, nullptr); owner && f.ended == state::not_started) {
            owner->give_back();
        }
    }

private:
    friend class basic_rate;
    explicit permit(basic_rate& owner) noexcept : owner_(&owner) {}

    basic_rate* owner_ = nullptr;
};

/// Waits for its turn, then for a token.
template <class Clock>
class basic_rate<Clock>::wait {
public:
    explicit wait(basic_rate& owner) noexcept : owner_(&owner) {}

    template <class Self>
    void operator()(Self& self) {
        self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        auto& line = owner_->line_;
        line.async_acquire(std::move(self));
    }

    template <class Self>
    void operator()(Self& self, error_code const& error, semaphore::permit turn) {
        turn_ = std::move(turn);
        if (error) {
            self.complete(error, permit());
        } else {
            look(self);
        }
    }

    template <class Self>
    void operator()(Self& self, error_code const& error) {
        timer_.reset();
        if (error || self.cancelled() != boost::asio::cancellation_type::none) {
            turn_.release();
            self.complete(boost::asio::error::operation_aborted, permit());
        } else {
            look(self);
        }
    }

private:
    template <class Executor>
    using timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

    template <class Self>
    void look(Self& self) {
        auto const now = Clock::now();
        auto const due = [&] {
            std::lock_guard const lock(owner_->mutex_);
            return owner_->bucket_.try_take(now) ? now : owner_->bucket_.next(now);
        }();
        if (due == now) {
            turn_.release();
            self.complete(error_code(), permit(*owner_));
            return;
        }
        using executor = boost::asio::associated_executor_t<Self>;
        auto t = std::make_shared<timer<executor>>(boost::asio::get_associated_executor(self), due);
        timer_ = t;
        t->async_wait(std::move(self));
    }

    basic_rate* owner_;
    semaphore::permit turn_;
    std::shared_ptr<void> timer_;
};

/// A token bucket by the steady clock.
using rate = basic_rate<std::chrono::steady_clock>;

} // namespace fanout
