// SPDX-License-Identifier: BSL-1.0
#pragma once

// Limits belong to no context, but those who wait for them do: whether a waiter's context still lives.

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <concepts>
#include <memory>
#include <mutex>
#include <utility>

namespace fanout::detail {

/// Someone who waits on a context.
class context_guest {
public:
    context_guest() = default;
    context_guest(context_guest const&) = delete;
    context_guest& operator=(context_guest const&) = delete;
    virtual ~context_guest() = default;

    /// Its context is being destroyed: leaves the line that it stands in, and hands out what owns it; nothing where
    /// it had left the line. Called under a lock: it must not destroy, and let no one else have its place yet.
    virtual std::shared_ptr<context_guest> abandon() noexcept = 0;

    /// Others may have its place now. Called without a lock, before it is destroyed.
    virtual void abandoned() noexcept = 0;

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

    /// The guest waits no more: calls `leave()`, which may post to the context, unless that is gone.
    template <class F>
    void remove(context_guest& g, F leave) {
        std::lock_guard const lock(mutex_);
        if (!alive_) {
            return; // shut_down() has taken the guests out
        }
        (g.previous_ != nullptr ? g.previous_->next_ : first_) = g.next_;
        if (g.next_ != nullptr) {
            g.next_->previous_ = g.previous_;
        }
        leave();
    }

    /// The context is destroyed: takes its guests out of their lines and destroys them, uncalled.
    void shut_down() noexcept {
        std::shared_ptr<context_guest> dead;
        {
            std::lock_guard const lock(mutex_);
            alive_ = false;
            while (first_ != nullptr) {
                auto& g = *first_;
                first_ = g.next_;
                if (auto owner = g.abandon()) {
                    owner->chain_ = std::exchange(dead, owner);
                }
            }
        }
        while (dead) { // one by one, or a long chain would recurse
            dead->abandoned();
            dead = std::exchange(dead->chain_, nullptr);
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
