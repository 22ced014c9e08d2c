// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that finds its own level from latency and overload.

#include <fanout/detail/mapped_handler.hpp>
#include <fanout/detail/round_trips.hpp>
#include <fanout/limit/algorithm/sample.hpp>
#include <fanout/limit/feedback.hpp>
#include <fanout/limit/semaphore.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

namespace fanout {

/// A limit shared by many calls that moves: each child tells by its latency, and by being turned away, how much the
/// backend can take.
///
///     fanout::adaptive<fanout::aimd> writes({.maximum = 1000}); // DynamoDB turns away what is too much
///     auto const throttled = [](fanout::error_code const& e) { return e == dynamodb_errc::throttled; };
///     co_await fanout::when_all_settled(rows, write, writes, fanout::overload_if(throttled));
///
/// What a child tells: fulfilled, its latency. Timed out by its `attempt_timeout`, or rejected with an error
/// for which `overload_if` is true: overload. Anything else, cancellation above all, nothing.
///
/// @tparam Algorithm `aimd`, `vegas`, `gradient2`, or any class of the concept `limit_algorithm`.
/// @par Executor, thread safety, lifetimes
///   As `semaphore`: shared by reference, safe from any thread, to outlive whoever uses it.
/// @par Complexity
///   A mutex at each permit and each release; beside that as `semaphore`.
/// @par See also
///   docs/explanation/adaptive-limits.md; Netflix' concurrency-limits.
template <limit_algorithm Algorithm>
class adaptive {
public:
    class permit;
    using permit_type = permit;
    static constexpr bool wants_latency = true;

    /// A limit that starts where the algorithm does.
    explicit adaptive(Algorithm algorithm)
        : trips_(std::move(algorithm)), places_(current(), detail::part_of{this}) {}
    /// Likewise, of an algorithm with these options; throws as its constructor.
    explicit adaptive(typename Algorithm::options const& o)
        requires requires { typename Algorithm::options; }
        : adaptive(Algorithm(o)) {}
    adaptive(adaptive const&) = delete;
    adaptive& operator=(adaptive const&) = delete;

    /// A permit, or an empty one where there is none to have at once or others wait.
    permit try_acquire() { return numbered(places_.try_acquire()); }

    /// Waits for a permit; completes with `(error_code, permit)`.
    ///
    /// @par Completes when, errors, per-operation cancellation
    ///   As `semaphore::async_acquire`.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(Token&& token = Token()) {
        return boost::asio::async_initiate<Token, void(error_code, permit)>(
            [this]<class Handler>(Handler&& handler) {
                auto const number = [this](semaphore::permit p) { return numbered(std::move(p)); };
                places_.async_acquire(detail::mapped(std::forward<Handler>(handler), number));
            },
            token);
    }

    /// How many children may be in flight now.
    std::size_t limit() const {
        std::lock_guard const lock(mutex_);
        return current();
    }

    /// The number of permits that are out.
    std::size_t in_use() const { return places_.in_use(); }

    /// A copy of the algorithm as it stands.
    Algorithm algorithm() const {
        std::lock_guard const lock(mutex_);
        return trips_.algorithm();
    }

private:
    /// At least 1, also where an algorithm of one's own says 0. Under the mutex.
    std::size_t current() const noexcept {
        return (std::clamp)(trips_.limit(), std::size_t{1}, detail::permit_line::most);
    }

    permit numbered(semaphore::permit&& place) {
        if (!place) {
            return {};
        }
        return permit(*this, std::move(place), next_number());
    }

    void learn(std::uint64_t number, feedback const& f) noexcept {
        auto now = [&] {
            std::lock_guard const lock(mutex_);
            auto const before = current();
            trips_.released(number, f);
            return current() != before ? current() : 0;
        }();
        while (now != 0) { // without the lock, since it may serve others; so another may have been faster
            places_.resize(now);
            std::lock_guard const lock(mutex_);
            now = current() != now ? current() : 0;
        }
    }

    std::uint64_t next_number() noexcept {
        std::lock_guard const lock(mutex_);
        return trips_.acquired();
    }

    mutable std::mutex mutex_;
    detail::round_trips<Algorithm> trips_;
    semaphore places_;
};

/// A permit of an adaptive limit, given back, with nothing learned, when it is destroyed. May be empty.
template <limit_algorithm Algorithm>
class [[nodiscard]] adaptive<Algorithm>::permit {
public:
    permit() noexcept = default;
    permit(permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          place_(std::move(other.place_)),
          number_(other.number_) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            owner_ = std::exchange(other.owner_, nullptr);
            place_ = std::move(other.place_);
            number_ = other.number_;
        }
        return *this;
    }
    ~permit() { release(); }

    /// Whether there is a permit in it.
    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /// Gives it back, with what its child says of the load.
    void release(feedback const& f = {}) noexcept {
        if (auto* const owner = std::exchange(owner_, nullptr)) {
            owner->learn(number_, f);
            place_.release();
        }
    }

    /// Ends one use of it and begins the next; see `semaphore::permit::renew`.
    bool renew(feedback const& f, std::size_t own_waiters) noexcept {
        owner_->learn(number_, f);
        if (place_.renew(f, own_waiters)) {
            number_ = owner_->next_number();
            return true;
        }
        owner_ = nullptr;
        return false;
    }

private:
    friend class adaptive;
    permit(adaptive& owner, semaphore::permit&& place, std::uint64_t number) noexcept
        : owner_(&owner), place_(std::move(place)), number_(number) {}

    adaptive* owner_ = nullptr;
    semaphore::permit place_;
    std::uint64_t number_ = 0;
};

} // namespace fanout
