// SPDX-License-Identifier: BSL-1.0
#pragma once

// Permits that carry a resource, such as a database connection.

#include <fanout/detail/mapped_handler.hpp>
#include <fanout/limit/feedback.hpp>
#include <fanout/limit/semaphore.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace fanout {

/// Up to `n` resources, each used by one child at a time, made when they are first needed and used again.
///
///     auto const connect = [&]() -> asio::awaitable<connection> { … };
///     fanout::pool<connection> connections(16, connect, [](connection& c) { return c.is_open(); });
///     auto const insert = [](row const& r, connection& c) -> asio::awaitable<void> { return c.insert(r); };
///     co_await fanout::retry_rejected(rows, insert, policy, connections);
///
/// As a limit of a fan-out it hands each child a resource of its own, as the factory's last argument; the permit and
/// the resource come and go together. Making one is part of the child's attempt: it counts for `attempt_timeout`, is
/// cancelled with it, several are made side by side, and where it fails the child is rejected with what `create`
/// threw. A pool of one runs its children one after another: that is how a transaction is driven.
///
/// What becomes of a resource after its child: cancelled or timed out, it is destroyed, for nobody knows what
/// it is in the middle of. Otherwise `healthy(resource)` decides whether it is used again; without that
/// function it is, unless the child was rejected. Another is made in its place when one is needed. Idle ones
/// wait until the pool is destroyed; the one used last is used first.
///
/// @tparam Resource Movable.
/// @par Executor
///   `create` runs in the child's coroutine, so by default what it makes belongs to that fan-out's
///   executor: share a pool among calls on one context.
/// @par Thread safety
///   Safe: all members may be called from any thread at once; `create` and `healthy` then are, too.
/// @par Lifetimes
///   It is borrowed: it must outlive the operations that use it. Its idle resources are destroyed with it, so let the
///   operations end, then destroy the pool, then the context of its resources.
template <class Resource>
class pool {
public:
    class lease;
    class permit;
    using permit_type = permit;
    using create_function = std::function<boost::asio::awaitable<Resource>()>;
    using health_function = std::function<bool(Resource&)>;

    /// A pool without resources: the first is made when it is needed.
    ///
    /// @param n The most resources at once, at least 1.
    /// @param create Makes one; may throw.
    /// @param healthy Whether one that comes back can be used again; must not throw.
    /// @throws std::invalid_argument where `n` is 0, or `create` is empty.
    pool(std::size_t n, create_function create, health_function healthy = {})
        : create_(std::move(create)),
          healthy_(std::move(healthy)),
          places_(checked(n), detail::part_of{this}) {
        if (!create_) {
            throw std::invalid_argument("fanout::pool: there must be a function that makes resources");
        }
        idle_.reserve(n); // so that giving one back cannot fail
    }
    pool(pool const&) = delete;
    pool& operator=(pool const&) = delete;

    /// For use outside of a fan-out: waits for a place, makes a resource where none is idle, and lends it out.
    ///
    /// @par Completes when
    ///   there is a place, and a resource.
    /// @par Errors
    ///   What `create` throws; a `system_error` of `operation_aborted` where it was cancelled.
    /// @par Per-operation cancellation
    ///   As of any coroutine: `terminal`, unless its caller lets in others.
    boost::asio::awaitable<lease> acquire() {
        auto p = co_await async_acquire();
        co_await p.make();
        co_return lease(std::move(p));
    }

    /// A place, with an idle resource or without one, or an empty permit where there is none at once or others wait.
    permit try_acquire() { return with_idle(places_.try_acquire()); }

    /// Waits for a place; completes with `(error_code, permit)`.
    ///
    /// @par Completes when, errors, per-operation cancellation
    ///   As `semaphore::async_acquire`.
    template <boost::asio::completion_token_for<void(error_code, permit)> Token = boost::asio::deferred_t>
    auto async_acquire(Token&& token = Token()) {
        return boost::asio::async_initiate<Token, void(error_code, permit)>(
            [this]<class Handler>(Handler&& handler) {
                auto const fill = [this](semaphore::permit p) { return with_idle(std::move(p)); };
                places_.async_acquire(detail::mapped(std::forward<Handler>(handler), fill));
            },
            token);
    }

    /// The most resources at once.
    std::size_t size() const { return places_.permits(); }
    /// The same, as what observers are told.
    std::size_t limit() const { return size(); }
    /// How many are made and not in use.
    std::size_t idle() const {
        std::lock_guard const lock(mutex_);
        return idle_.size();
    }
    /// How many places are taken.
    std::size_t in_use() const { return places_.in_use(); }
    /// How many calls wait for a place.
    std::size_t waiting() const { return places_.waiting(); }

private:
    static std::size_t checked(std::size_t n) {
        if (n == 0) {
            throw std::invalid_argument(
                "fanout::pool: the number of resources must be at least 1, or nothing would ever run");
        }
        return n;
    }

    permit with_idle(semaphore::permit&& place) {
        if (!place) {
            return {};
        }
        return permit(*this, std::move(place), take_idle());
    }

    std::unique_ptr<Resource> take_idle() noexcept {
        std::lock_guard const lock(mutex_);
        if (idle_.empty()) {
            return nullptr;
        }
        auto resource = std::move(idle_.back());
        idle_.pop_back();
        return resource;
    }

    /// Whether a resource whose child ended like this may be used again.
    bool is_fit(Resource& resource, state ended) const {
        switch (ended) {
        case state::timed_out:
        case state::cancelled: return false;
        case state::not_started: return true; // it was not touched
        case state::fulfilled:
        case state::rejected: break;
        }
        return healthy_ ? healthy_(resource) : ended == state::fulfilled;
    }

    void put_back(std::unique_ptr<Resource> resource) noexcept {
        std::lock_guard const lock(mutex_);
        idle_.push_back(std::move(resource));
    }

    create_function create_;
    health_function healthy_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Resource>> idle_;
    semaphore places_;
};

/// A place in a pool, with a resource once it is made. May be empty.
template <class Resource>
class [[nodiscard]] pool<Resource>::permit {
public:
    /// What a fan-out hands to its factory.
    using resource_type = Resource;

    permit() noexcept = default;
    permit(permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          place_(std::move(other.place_)),
          resource_(std::move(other.resource_)) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            discard();
            owner_ = std::exchange(other.owner_, nullptr);
            place_ = std::move(other.place_);
            resource_ = std::move(other.resource_);
        }
        return *this;
    }
    ~permit() { discard(); }

    /// Whether there is a place in it.
    explicit operator bool() const noexcept { return owner_ != nullptr; }

    /// The resource; null until it is made.
    Resource* resource() const noexcept { return resource_.get(); }

    /// Makes the resource, where there is none yet. A fan-out awaits it as a part of the attempt.
    ///
    /// @par Completes when, errors, per-operation cancellation
    ///   As what `create` returns.
    boost::asio::awaitable<void> make() {
        if (!resource_) {
            auto made = owner_->create_();
            resource_ = std::make_unique<Resource>(co_await std::move(made));
        }
    }

    /// Gives the place back, and destroys the resource: nobody says what it is in the middle of. As the
    /// destructor does.
    void discard() noexcept { release({feedback::ignored, {}, state::cancelled}); }

    /// Gives the place back, and the resource where it is fit for more.
    void release(feedback const& f = {}) noexcept {
        if (auto* const owner = std::exchange(owner_, nullptr)) {
            if (resource_ && owner->is_fit(*resource_, f.ended)) {
                owner->put_back(std::move(resource_));
            }
            resource_.reset();
            place_.release();
        }
    }

    /// Ends one use of it and begins the next; see `semaphore::permit::renew`. Keeps the resource if that is fit.
    bool renew(feedback const& f, std::size_t own_waiters) noexcept {
        if (resource_ && !owner_->is_fit(*resource_, f.ended)) {
            resource_.reset();
        }
        if (!place_.renewable(own_waiters)) {
            release(); // as not used since it was found fit
            return false;
        }
        if (!resource_) {
            resource_ = owner_->take_idle();
        }
        return true;
    }

private:
    friend class pool;
    permit(pool& owner, semaphore::permit&& place, std::unique_ptr<Resource> resource) noexcept
        : owner_(&owner), place_(std::move(place)), resource_(std::move(resource)) {}

    pool* owner_ = nullptr;
    semaphore::permit place_;
    std::unique_ptr<Resource> resource_;
};

/// A resource that is lent out. Destroyed without `give_back()` it destroys the resource, so that neither an
/// exception nor a cancellation in the middle of its use leaves a broken one in the pool. May be empty.
template <class Resource>
class [[nodiscard]] pool<Resource>::lease {
public:
    lease() noexcept = default;
    lease(lease&&) noexcept = default;
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            discard();
            permit_ = std::move(other.permit_);
        }
        return *this;
    }
    ~lease() { discard(); }

    /// Whether there is a resource in it.
    explicit operator bool() const noexcept { return static_cast<bool>(permit_); }
    /// The resource; not where it is empty.
    Resource& operator*() const noexcept { return *permit_.resource(); }
    /// The resource; not where it is empty.
    Resource* operator->() const noexcept { return permit_.resource(); }

    /// It was used well: it goes back to the pool, if `healthy` finds it so.
    void give_back() noexcept { permit_.release({feedback::success, {}, state::fulfilled}); }

    /// Destroys the resource; another is made when one is needed.
    void discard() noexcept { permit_.discard(); }

private:
    friend class pool;
    explicit lease(permit&& p) noexcept : permit_(std::move(p)) {}

    permit permit_;
};

} // namespace fanout
