// SPDX-License-Identifier: BSL-1.0
#pragma once

// Who gets a permit next: the arithmetic and the line of those who wait. No Asio, no lock, no thread.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fanout::detail {

/// One that waits in a `permit_queue`.
struct queued {
    queued* previous = nullptr;
    queued* next = nullptr;
    std::size_t weight = 1;
    bool waiting = false; ///< it is in the line
};

/// Permits, and a first-come-first-served line. `free()` is negative where the number of permits was lowered below
/// what is in use.
///
/// A weight above the number of permits counts as all of them: such a one runs alone, rather than never.
class permit_queue {
public:
    explicit permit_queue(std::size_t permits) noexcept
        : permits_(permits), free_(static_cast<std::int64_t>(permits)) {}

    std::size_t permits() const noexcept { return permits_; }
    std::int64_t free() const noexcept { return free_; }
    std::size_t waiting() const noexcept { return waiting_; }

    /// The permits that a weight takes.
    std::size_t cost(std::size_t weight) const noexcept { return (std::min)(weight, permits_); }

    /// Takes `cost(weight)` permits, unless there are too few or someone waits.
    bool try_acquire(std::size_t weight) noexcept {
        if (first_ != nullptr || free_ < static_cast<std::int64_t>(cost(weight))) {
            return false;
        }
        free_ -= static_cast<std::int64_t>(cost(weight));
        return true;
    }

    void release(std::size_t taken) noexcept { free_ += static_cast<std::int64_t>(taken); }

    void resize(std::size_t permits) noexcept {
        free_ += static_cast<std::int64_t>(permits) - static_cast<std::int64_t>(permits_);
        permits_ = permits;
    }

    void push(queued& q) noexcept {
        q.waiting = true;
        q.next = nullptr;
        q.previous = last_;
        (last_ != nullptr ? last_->next : first_) = &q;
        last_ = &q;
        ++waiting_;
    }

    /// Takes one out of the line; false where it had left. Those behind it may be served now: see `serve`.
    bool remove(queued& q) noexcept {
        if (!q.waiting) {
            return false;
        }
        q.waiting = false;
        (q.previous != nullptr ? q.previous->next : first_) = q.next;
        (q.next != nullptr ? q.next->previous : last_) = q.previous;
        --waiting_;
        return true;
    }

    /// Gives the first in line its permits and takes it out of the line; null where there are too few. To be called
    /// until it returns null, after anything that may have freed permits. The permits are `cost(weight)`, as of now.
    queued* serve() noexcept {
        auto* const q = first_;
        if (q == nullptr || free_ < static_cast<std::int64_t>(cost(q->weight))) {
            return nullptr;
        }
        free_ -= static_cast<std::int64_t>(cost(q->weight));
        remove(*q);
        return q;
    }

    /// What changed while no lock was held; only where nobody waits.
    void set_free(std::int64_t free) noexcept { free_ = free; }

private:
    std::size_t permits_;
    std::int64_t free_;
    std::size_t waiting_ = 0;
    queued* first_ = nullptr;
    queued* last_ = nullptr;
};

} // namespace fanout::detail
