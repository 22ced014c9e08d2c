// SPDX-License-Identifier: BSL-1.0
#pragma once

// One limit that many calls share, on any threads and executors.

#include <fanout/detail/context_life.hpp>
#include <fanout/detail/permit_line.hpp>
#include <fanout/detail/reentrancy.hpp>
#include <fanout/error.hpp>
#include <fanout/limit/feedback.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associated_immediate_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace fanout {

/// At most a number of permits out at once, over all calls that share it.
///
///     fanout::semaphore connections(64); // a member of the service; every request shares it
///     co_await fanout::when_all(ids, fetch, connections);
///
///     auto permit = co_await connections.async_acquire(); // or by hand; given back when `permit` is destroyed
///
/// First come, first served; each fan-out stands in the line once, however many inputs it has, so that fan-outs
/// share it evenly. A permit granted to someone who was cancelled goes to the next. A weight above `permits()`
/// counts as all of them: it is served alone.
///
/// @par Executor
///   A waiter is resumed on its own associated executor, never inside `release`.
/// @par Thread safety
///   Safe: all members may be called from any thread at once.
/// @par Lifetimes
///   It is borrowed: it must outlive the permits, and the operations that wait for them. Waiters of a context that is
///   destroyed are dropped.
/// @par Complexity
///   Uncontended, `try_acquire` and `release` are one compare-and-swap each; a waiter is one allocation.
class semaphore {
public:
    class permit;
    using permit_type = permit;

    /// All permits are there.
    ///
    /// @throws std::invalid_argument where `permits` is 0, or more than 2^61 - 1.
    explicit semaphore(std::size_t permits) : semaphore(permits, detail::part_of{this}) {}
    /// The line of another limit.
    ///
    /// @throws std::invalid_argument likewise.
    semaphore(std::size_t permits, detail::part_of whole) : line_(checked(permits)), identity_(whole.limit) {}

    /// A permit, or an empty one where there is none to have at once or others wait.
    ///
    /// @throws std::invalid_argument where `weight` is 0.
    permit try_acquire(std::size_t weight = 1);

    /// Waits for a permit; completes with `(error_code, permit)`.
    ///
    /// @par Completes when
    ///   there is a permit and nobody is before it in the line: never within the call, through the handler's associated
    ///   immediate executor where there is one at once.
    /// @par Errors
    ///   `operation_aborted` where it was cancelled; in debug builds `errc::reentrant_limit`, inside a permit of this limit.
    /// @par Per-operation cancellation
    ///   `terminal`, `partial`, `total`: it leaves the line.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(Token&& token = Token()) {
        return async_acquire(1, std::forward<Token>(token));
    }
    /// Waits for `weight` permits, together.
    ///
    /// @par Completes when, errors, per-operation cancellation
    ///   As for one. At the call, `std::invalid_argument` where `weight` is 0.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(std::size_t weight, Token&& token = Token()) {
        check_weight(weight);
        return boost::asio::async_initiate<Token, void(error_code, permit)>(
            [this](auto&& handler, std::size_t w) {
                this->wait(std::forward<decltype(handler)>(handler),
                           w); // clang 19 overlooks a bare use of this
            },
            token, weight);
    }

    /// Changes the number of permits; those that are out stay out, so that it may be below `in_use()` for a while.
    ///
    /// @throws std::invalid_argument where `permits` is 0, or more than 2^61 - 1.
    void resize(std::size_t permits) { line_.resize(checked(permits)); }

    /// The number of permits there are.
    std::size_t permits() const { return line_.permits(); }
    /// The same, as what observers are told.
    std::size_t limit() const { return permits(); }
    /// The number of permits that are out.
    std::size_t in_use() const { return line_.in_use(); }
    /// How many stand in the line.
    std::size_t waiting() const { return line_.waiting(); }

private:
    template <class Handler>
    struct answer;
    template <class Handler>
    class waiter_for;

    static std::size_t checked(std::size_t permits) {
        if (permits == 0) {
            throw std::invalid_argument(
                "fanout::semaphore: permits must be at least 1, or nothing would ever run");
        }
        if (permits > detail::permit_line::most) {
            throw std::invalid_argument("fanout::semaphore: permits must be at most 2^61 - 1");
        }
        return permits;
    }
    static void check_weight(std::size_t weight) {
        if (weight == 0) {
            throw std::invalid_argument("fanout::semaphore: a weight must be at least 1");
        }
    }

    template <class Handler>
    void wait(Handler&& handler, std::size_t weight);

    detail::permit_line line_;
    void const* identity_;
};

/// One or more permits of a semaphore, given back when it is destroyed. May be empty.
class [[nodiscard]] semaphore::permit {
public:
    permit() noexcept = default;
    permit(permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), taken_(other.taken_), reduced_(other.reduced_) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            owner_ = std::exchange(other.owner_, nullptr);
            taken_ = other.taken_;
            reduced_ = other.reduced_;
        }
        return *this;
    }
    ~permit() { release(); }

    /// Whether there is a permit in it.
    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /// Gives it back now. What the child that held it says of the load makes no difference to a semaphore.
    void release(feedback const& = {}) noexcept {
        if (auto* const owner = std::exchange(owner_, nullptr)) {
            owner->line_.give_back(taken_);
        }
    }

    /// Whether its holder may go on with it: no one else waits, there are not fewer permits by now, and it is no less
    /// than the weight that was asked for. `own_waiters` of those who wait are the caller.
    bool renewable(std::size_t own_waiters) const noexcept {
        return !reduced_ && owner_->line_.may_keep(own_waiters);
    }

    /// Ends one use of it and begins the next, where it is `renewable`; else gives it back and returns false.
    bool renew(feedback const&, std::size_t own_waiters) noexcept {
        auto const kept = renewable(own_waiters);
        if (!kept) {
            release();
        }
        return kept;
    }

private:
    friend class semaphore;
    permit(semaphore& owner, std::size_t taken, std::size_t wanted) noexcept
        : owner_(taken > 0 ? &owner : nullptr), taken_(taken), reduced_(taken < wanted) {}

    semaphore* owner_ = nullptr;
    std::size_t taken_ = 0;
    bool reduced_ = false; ///< there were fewer permits than its weight
};

inline semaphore::permit semaphore::try_acquire(std::size_t weight) {
    check_weight(weight);
    return permit(*this, line_.take(weight), weight);
}

/// What a handler is called with, on its way to it.
template <class Handler>
struct semaphore::answer {
    void operator()() { std::move(handler)(error, std::move(got)); }
    Handler handler;
    error_code error;
    permit got;
};

/// Someone in the line, with what belongs to its context.
template <class Handler>
class semaphore::waiter_for final : public detail::permit_line::waiter {
    using executor = boost::asio::associated_executor_t<Handler>;
    using tracked = std::decay_t<typename boost::asio::prefer_result<
        executor, boost::asio::execution::outstanding_work_t::tracked_t>::type>;

public:
    waiter_for(semaphore& owner, std::size_t w, Handler&& handler)
        : waiter(owner.line_, w),
          owner_(&owner),
          theirs_(std::in_place, std::move(handler)),
          life_(detail::life_of(theirs_->ex)) {}

    bool enter() noexcept { return life_->add(*this); }

    void deliver(error_code const& error, std::size_t taken) noexcept override {
        permit p(*owner_, taken, this->weight);
        life_->remove(*this, [&] {
            post(answer<Handler>{std::move(theirs_->handler), error, std::move(p)});
            theirs_.reset();
        });
    }

    void drop() noexcept override {
        waiter::drop();
        theirs_.reset();
    }

private:
    /// What belongs to the waiter's context.
    struct belongings {
        explicit belongings(Handler&& h)
            : handler(std::move(h)),
              ex(boost::asio::get_associated_executor(handler)),
              work(boost::asio::prefer(ex, boost::asio::execution::outstanding_work.tracked)) {}
        Handler handler;
        executor ex;
        tracked work;
    };

    void post(answer<Handler>&& last) {
        if constexpr (boost::asio::can_require_v<executor, boost::asio::execution::blocking_t::never_t>) {
            boost::asio::post(theirs_->ex, std::move(last));
        } else { // it might run the handler on the spot
            boost::asio::post(
                boost::asio::system_executor(),
                [ex = theirs_->ex, s = std::move(last)]() mutable { ex.execute(std::move(s)); });
        }
    }

    semaphore* owner_;
    std::optional<belongings> theirs_;
    std::shared_ptr<detail::context_life> life_;
};

template <class Handler>
void semaphore::wait(Handler&& handler, std::size_t weight) {
    using handler_type = std::decay_t<Handler>;
    auto const reentrant = detail::asks_for_what_it_holds(identity_, handler);
    if (auto got = reentrant ? permit() : try_acquire(weight); got || reentrant) {
        auto const error = reentrant ? make_error_code(errc::reentrant_limit) : error_code();
        auto const ex = boost::asio::get_associated_executor(handler);
        auto const immediate = boost::asio::get_associated_immediate_executor(handler, ex);
        boost::asio::dispatch(immediate,
                              answer<handler_type>{std::forward<Handler>(handler), error, std::move(got)});
        return;
    }
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    auto w = std::make_shared<waiter_for<handler_type>>(*this, weight,
                                                        handler_type(std::forward<Handler>(handler)));
    if (slot.is_connected()) {
        slot.assign(
            [weak = std::weak_ptr<detail::permit_line::waiter>(w)](boost::asio::cancellation_type type) {
                if (auto const here = weak.lock(); here && type != boost::asio::cancellation_type::none) {
                    here->cancel();
                }
            });
    }
    if (w->enter()) {
        line_.enter(std::move(w));
    }
}

} // namespace fanout
