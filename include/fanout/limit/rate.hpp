// SPDX-License-Identifier: BSL-1.0
#pragma once

// So many starts per second, over all calls that share it: a token bucket.

#include <fanout/detail/context_life.hpp>
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
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/wait_traits.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout {

/// A token bucket: holds up to `burst` tokens, gains `per_second`, and each start takes one. It says how many start,
/// not how many run: combine it with `limit(n)` by `all_of`.
///
///     fanout::rate writes(500, 50); // what the table is provisioned for
///     co_await fanout::retry_rejected(rows, write, policy, writes);
///
/// First come, first served; a fan-out stands in the line once. A permit that was not used gives its token
/// back, at once to the first in line where someone waits.
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

    /// Waits for a token; completes with `(error_code, permit)`.
    ///
    /// @par Completes when
    ///   it is first in line, and there is a token: at the time that is due, by a timer.
    /// @par Errors, per-operation cancellation
    ///   As `semaphore::async_acquire`; `no_memory` where there is none for the timer.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(Token&& token = Token()) {
        return boost::asio::async_compose<Token, void(error_code, permit)>(wait(*this), token);
    }

    double per_second() const noexcept { return bucket_.per_second(); } ///< tokens gained per second
    double burst() const noexcept { return bucket_.burst(); }           ///< the most tokens it holds

    /// How many stand in the line, the first one included.
    std::size_t waiting() const { return line_.waiting() + line_.in_use(); }

private:
    class wait;
    class sleeper;
    template <class Executor>
    class sleeper_on;

    /// A token was not used: the first in line may have it at once.
    void give_back() noexcept {
        auto const woken = [this] {
            std::lock_guard const lock(mutex_);
            bucket_.give_back();
            return std::move(asleep_);
        }();
        if (woken) {
            woken->wake();
        }
    }

    /// It sleeps no more; null where someone else has found that out before.
    std::shared_ptr<sleeper> take_out(sleeper const* s) noexcept {
        std::lock_guard const lock(mutex_);
        return asleep_.get() == s ? std::move(asleep_) : nullptr;
    }

    mutable std::mutex mutex_;
    detail::token_bucket<typename Clock::time_point> bucket_;
    std::shared_ptr<sleeper> asleep_; ///< the first in line, while it waits for the time of its token
    semaphore line_{1};               ///< who holds its one permit is first in line
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

    /// Whether there is a token in it.
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

/// The first in line, while its timer runs: what it takes to wake it from any thread, while its context lives.
template <class Clock>
class basic_rate<Clock>::sleeper : public detail::context_guest {
public:
    explicit sleeper(basic_rate& owner) noexcept : owner_(&owner) {}

    // Whoever has taken it out of `asleep_` calls one of these, once.
    virtual void leave() noexcept = 0;
    virtual void wake() noexcept = 0;

    void abandon() noexcept override { owner_->take_out(this); }

private:
    basic_rate* owner_;
};

template <class Clock>
template <class Executor>
class basic_rate<Clock>::sleeper_on final : public sleeper {
public:
    using timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;

    sleeper_on(basic_rate& owner, Executor const& ex, std::shared_ptr<timer> const& t)
        : sleeper(owner), theirs_(std::in_place, ex, t), life_(detail::life_of(ex)) {}

    bool enter() noexcept { return life_->add(*this); }
    void drop() noexcept override { theirs_.reset(); }
    void leave() noexcept override {
        life_->remove(*this, [this] { theirs_.reset(); });
    }
    void wake() noexcept override {
        life_->remove(*this, [this] {
            auto cancel = [here = this->shared_from_this(), this, t = std::move(theirs_->t)] {
                std::lock_guard const lock(starting);
                t->cancel();
            };
            using boost::asio::execution::blocking_t;
            if constexpr (boost::asio::can_require_v<Executor, blocking_t::never_t>) {
                boost::asio::post(theirs_->ex, std::move(cancel));
            } else { // it might run on the spot
                boost::asio::post(boost::asio::system_executor(),
                                  [ex = theirs_->ex, c = std::move(cancel)] { ex.execute(c); });
            }
            theirs_.reset();
        });
    }

    std::mutex starting; ///< held while the timer is started, which another thread may want to cancel by then

private:
    /// What belongs to the waiter's context.
    struct belongings {
        belongings(Executor const& e, std::shared_ptr<timer> const& shared) : ex(e), t(shared) {}
        Executor ex;
        std::shared_ptr<timer> t;
    };

    std::optional<belongings> theirs_;
    std::shared_ptr<detail::context_life> life_;
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
        if (error ||
            self.cancelled() != boost::asio::cancellation_type::none) { // the turn was on its way, maybe
            turn_.release();
            self.complete(boost::asio::error::operation_aborted, permit());
        } else {
            look(self);
        }
    }

    /// The timer fired, or a token was given back, or it is cancelled.
    template <class Self>
    void operator()(Self& self, error_code const&) {
        if (auto const mine = owner_->take_out(asleep_.get())) {
            mine->leave();
        }
        asleep_.reset();
        timer_.reset();
        if (self.cancelled() != boost::asio::cancellation_type::none) {
            turn_.release();
            self.complete(boost::asio::error::operation_aborted, permit());
        } else {
            look(self);
        }
    }

private:
    template <class Self>
    void look(Self& self) {
        auto const got = [this] {
            std::lock_guard const lock(owner_->mutex_);
            return owner_->bucket_.try_take(Clock::now());
        }();
        if (got) {
            turn_.release();
            self.complete(error_code(), permit(*owner_));
        } else {
            sleep(self);
        }
    }

    template <class Self>
    void sleep(Self& self) {
        using sleeper_type = sleeper_on<boost::asio::associated_executor_t<Self>>;
        auto const ex = boost::asio::get_associated_executor(self);
        std::shared_ptr<typename sleeper_type::timer> t;
        std::shared_ptr<sleeper_type> s;
        try {
            t = std::make_shared<typename sleeper_type::timer>(ex);
            s = std::make_shared<sleeper_type>(*owner_, ex, t);
        } catch (std::bad_alloc const&) {
            turn_.release();
            self.complete(boost::asio::error::no_memory, permit());
            return;
        }
        std::lock_guard const starting(s->starting);
        if (!s->enter()) {
            return; // the context is being destroyed
        }
        std::shared_ptr<sleeper> lost = s; // one whose operation was destroyed in its sleep, if any
        {
            std::lock_guard const lock(owner_->mutex_);
            t->expires_at(owner_->bucket_.next(Clock::now()));
            lost.swap(owner_->asleep_);
        }
        if (lost) {
            lost->leave();
        }
        timer_ = t;
        asleep_ = s;
        t->async_wait(std::move(self));
    }

    basic_rate* owner_;
    semaphore::permit turn_;
    std::shared_ptr<void> timer_;
    std::shared_ptr<sleeper> asleep_;
};

/// A token bucket by the steady clock.
using rate = basic_rate<std::chrono::steady_clock>;

} // namespace fanout
