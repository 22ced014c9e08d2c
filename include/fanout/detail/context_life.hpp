// SPDX-License-Identifier: BSL-1.0
#pragma once

// Limits belong to no context, but those who wait for them do: whether a waiter's context still lives.

#include <fanout/detail/requirements.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <concepts>
#include <memory>
#include <mutex>
#include <utility>

namespace fanout::detail {

/// Someone who waits on a context, and owns things that must not outlive it: a handler, an executor.
class context_guest : public std::enable_shared_from_this<context_guest> {
public:
    context_guest() = default;
    context_guest(context_guest const&) = delete;
    context_guest& operator=(context_guest const&) = delete;
    virtual ~context_guest() = default;

    /// Its context is being destroyed: leaves the line that it stands in. Called under a lock: it must let no
    /// one else have its place yet, and destroy nothing.
    virtual void abandon() noexcept = 0;

    /// Lets others have its place, and destroys what belongs to the context. Called without a lock, after `abandon`.
    virtual void drop() noexcept = 0;

private:
    friend class context_life;
    context_guest* previous_ = nullptr;
    context_guest* next_ = nullptr;
    std::shared_ptr<context_guest> chain_;
};

/// Shared by a context and its guests, so that a guest finds out that the context is gone.
class context_life {
public:
    /// False where the context is being destroyed: the guest must not wait.
    bool add(context_guest& g) noexcept {
        std::lock_guard const lock(mutex_);
        if (alive_) {
            g.next_ = first_;
            if (first_ != nullptr) {
                first_->previous_ = &g;
            }
            first_ = &g;
        }
        return alive_;
    }

    /// The guest waits no more: calls `leave()`, which hands over or destroys what belongs to the context. Not
    /// where the context is being destroyed, which then does that.
    template <class F>
    void remove(context_guest& g, F leave) {
        std::lock_guard const lock(mutex_);
        if (!alive_) {
            return;
        }
        (g.previous_ != nullptr ? g.previous_->next_ : first_) = g.next_;
        if (g.next_ != nullptr) {
            g.next_->previous_ = g.previous_;
        }
        leave();
    }

    /// The context is being destroyed, and what its guests have of it. Those that another thread has just served, and
    /// has not removed yet, are among them.
    void shut_down() noexcept {
        std::shared_ptr<context_guest> guests;
        {
            std::lock_guard const lock(mutex_);
            alive_ = false;
            while (first_ != nullptr) {
                auto& g = *first_;
                first_ = g.next_;
                auto self = g.shared_from_this();
                g.abandon();
                g.chain_ = std::exchange(guests, std::move(self));
            }
        }
        while (guests) { // one by one, or a long chain would recurse
            guests->drop();
            guests = std::exchange(guests->chain_, nullptr);
        }
    }

private:
    std::mutex mutex_;
    bool alive_ = true;
    context_guest* first_ = nullptr;
};

/// Tells a context's guests when it ends.
class context_life_service final : public boost::asio::execution_context::service {
public:
    using key_type = context_life_service;
    inline static boost::asio::execution_context::id id;

    explicit context_life_service(boost::asio::execution_context& context)
        : boost::asio::execution_context::service(context) {}

    void shutdown() override { life->shut_down(); }

    std::shared_ptr<context_life> const life = std::make_shared<context_life>();
};

/// The life of an executor's context. One without a context that could end is taken to live for ever.
template <class Executor>
std::shared_ptr<context_life> life_of(Executor const& ex) {
    if constexpr (requires {
                      {
                          boost::asio::query(ex, boost::asio::execution::context)
                      } -> std::convertible_to<boost::asio::execution_context&>;
                  }) {
        boost::asio::execution_context& context = boost::asio::query(ex, boost::asio::execution::context);
        return boost::asio::use_service<context_life_service>(context).life;
    } else {
        return std::make_shared<context_life>();
    }
}

} // namespace fanout::detail
