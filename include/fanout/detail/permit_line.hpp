// SPDX-License-Identifier: BSL-1.0
#pragma once

// The permits of a limit and its line, for many threads: a permit that is there is taken and given back without
// a lock.

#include <fanout/detail/context_life.hpp>
#include <fanout/detail/permit_queue.hpp>
#include <fanout/error.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

namespace fanout::detail {

class permit_line {
public:
    class waiter;

    /// More permits than that cannot be counted here.
    static constexpr std::size_t most = (std::numeric_limits<std::int64_t>::max)() / 4;

    explicit permit_line(std::size_t permits) noexcept
        : queue_(permits), state_(pack(queue_.free(), false)) {}
    permit_line(permit_line const&) = delete;
    permit_line& operator=(permit_line const&) = delete;
    ~permit_line() { assert(queue_.waiting() == 0 && "a limit was destroyed while someone waited for it"); }

    /// How many permits a weight took; 0 where there were too few, or someone waits.
    std::size_t take(std::size_t weight) noexcept {
        auto const wanted = static_cast<std::int64_t>((std::min)(weight, most));
        auto s = state_.load(std::memory_order_relaxed);
        while ((s & ask_the_line) == 0 && (s >> 1) >= wanted) {
            if (state_.compare_exchange_weak(s, s - 2 * wanted, std::memory_order_acquire,
                                             std::memory_order_relaxed)) {
                return static_cast<std::size_t>(wanted);
            }
        }
        return (s & ask_the_line) == 0 && weight == 1 ? 0 : take_from_the_line(weight);
    }

    void give_back(std::size_t taken) noexcept {
        auto s = state_.load(std::memory_order_relaxed);
        while ((s & ask_the_line) == 0) {
            if (state_.compare_exchange_weak(s, s + 2 * static_cast<std::int64_t>(taken),
                                             std::memory_order_release, std::memory_order_relaxed)) {
                return;
            }
        }
        change([taken](permit_queue& q) { q.release(taken); });
    }

    /// Whether the holder of a permit may go on with it: no one else waits, and there are not fewer permits by now.
    bool may_keep(std::size_t own_waiters) noexcept {
        auto const s = state_.load(std::memory_order_acquire);
        if ((s & ask_the_line) == 0) {
            return s >= 0;
        }
        std::lock_guard const lock(mutex_);
        return state_.load(std::memory_order_relaxed) >= 0 && queue_.waiting() <= own_waiters;
    }

    void resize(std::size_t permits) noexcept {
        change([permits](permit_queue& q) { q.resize(permits); });
    }

    /// Puts someone at the end of the line, who may be served at once.
    void enter(std::shared_ptr<waiter> w) noexcept;

    std::size_t permits() const {
        std::lock_guard const lock(mutex_);
        return queue_.permits();
    }
    std::size_t in_use() const {
        std::lock_guard const lock(mutex_);
        return static_cast<std::size_t>(static_cast<std::int64_t>(queue_.permits()) -
                                        (state_.load(std::memory_order_relaxed) >> 1));
    }
    std::size_t waiting() const {
        std::lock_guard const lock(mutex_);
        return queue_.waiting();
    }

private:
    // The state is the number of free permits, doubled, and a last bit that says: ask the line, under the mutex. That
    // bit stands while anyone waits, and while someone is at work in there.
    static constexpr std::int64_t ask_the_line = 1;
    static constexpr std::int64_t pack(std::int64_t free, bool ask) noexcept {
        return free * 2 + (ask ? 1 : 0);
    }

    std::size_t take_from_the_line(std::size_t weight) noexcept {
        std::lock_guard const lock(mutex_);
        open_line();
        auto const taken = queue_.try_acquire(weight) ? queue_.cost(weight) : 0;
        close_line();
        return taken;
    }

    /// Under the mutex: from now on the state changes here only.
    void open_line() noexcept {
        queue_.set_free(state_.fetch_or(ask_the_line, std::memory_order_acquire) >> 1);
    }
    void close_line() noexcept {
        state_.store(pack(queue_.free(), queue_.waiting() > 0), std::memory_order_release);
    }

    /// Changes the line, and serves those who can be served then.
    template <class Change>
    void change(Change what) noexcept;

    mutable std::mutex mutex_;
    permit_queue queue_; ///< its free permits are true only between open_line() and close_line()
    std::atomic<std::int64_t> state_;
};

/// Someone in the line.
class permit_line::waiter : public queued, public context_guest {
public:
    waiter(permit_line& owner, std::size_t w) : owner_(&owner) { weight = w; }

    /// Served, with so many permits, or cancelled, with an error: calls the handler by way of its executor.
    /// Permits that cannot be handed over, as the waiter's context is gone, go back.
    virtual void deliver(error_code const& error, std::size_t taken) noexcept = 0;

    void cancel() noexcept {
        std::shared_ptr<waiter> self;
        owner_->change([&](permit_queue& q) {
            if (q.remove(*this)) {
                self = std::move(self_);
            }
        });
        if (self) {
            self->deliver(boost::asio::error::operation_aborted, 0);
        }
    }

    void abandon() noexcept override {
        std::lock_guard const lock(owner_->mutex_);
        owner_->open_line();
        if (owner_->queue_.remove(*this)) {
            self_.reset(); // not the last one: whoever abandons it holds one
        }
        owner_->close_line();
    }

    void drop() noexcept override {
        owner_->change([](permit_queue&) {});
    }

private:
    friend class permit_line;
    permit_line* owner_;
    std::size_t taken_ = 0;
    std::shared_ptr<waiter> self_; ///< while it is in the line
    std::shared_ptr<waiter> next_served_;
};

template <class Change>
void permit_line::change(Change what) noexcept {
    std::shared_ptr<waiter> served;
    {
        std::lock_guard const lock(mutex_);
        open_line();
        what(queue_);
        auto* last = &served;
        while (auto* const q = queue_.serve()) {
            auto* const w = static_cast<waiter*>(q);
            w->taken_ = queue_.cost(w->weight);
            *last = std::move(w->self_);
            last = &w->next_served_;
        }
        close_line();
    }
    while (served) { // the last of them may be the last one to know of this line
        auto const next = std::move(served->next_served_);
        served->deliver({}, served->taken_);
        served = next;
    }
}

inline void permit_line::enter(std::shared_ptr<waiter> w) noexcept {
    change([&](permit_queue& q) {
        auto& place = *w;
        place.self_ = std::move(w);
        q.push(place);
    });
}

} // namespace fanout::detail
