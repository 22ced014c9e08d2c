// SPDX-License-Identifier: BSL-1.0
#pragma once

// The lanes of a fan-out: memory in chunks, a list of the live ones, and those with a timeout in the order in
// which they are due.

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace fanout::detail {

/// Lanes keep their address until they are closed; closed ones are used again.
/// Where it is known how many there will be, they are `Fixed` and part of the store.
template <class Lane, class Allocator, std::size_t Fixed>
class lane_store {
    using traits = typename std::allocator_traits<Allocator>::template rebind_traits<Lane>;
    using lane_allocator = typename traits::allocator_type;

    // A chunk's first lane is a mere header: its `next` links the chunks, so that one array is one allocation.
    static constexpr std::size_t first_chunk = 8;
    static constexpr std::size_t largest_chunk = 256;

public:
    explicit lane_store(Allocator const& a) noexcept : allocator_(a) {
        for (std::size_t i = Fixed; i-- > 0;) {
            add(fixed_[i], i);
        }
    }
    lane_store(lane_store const&) = delete;
    lane_store& operator=(lane_store const&) = delete;

    ~lane_store() {
        while (chunks_ != nullptr) {
            auto* const c = chunks_;
            chunks_ = c->next;
            auto const size = static_cast<std::size_t>(c->until_turn);
            for (std::size_t i = size; i-- > 0;) {
                traits::destroy(allocator_, c + i);
            }
            traits::deallocate(allocator_, c, size);
        }
    }

    /// A lane that is live, from the free ones or from new memory.
    Lane& open() {
        if (free_ == nullptr) {
            grow();
        }
        auto* const l = std::exchange(free_, free_->next);
        l->previous = nullptr;
        l->next = live_;
        if (live_ != nullptr) {
            live_->previous = l;
        }
        live_ = l;
        return *l;
    }

    /// Takes a lane out of the live ones; `recycle()` may follow later.
    void close(Lane& l) noexcept {
        if (cursor_ == &l) {
            cursor_ = l.next;
        }
        (l.previous != nullptr ? l.previous->next : live_) = l.next;
        if (l.next != nullptr) {
            l.next->previous = l.previous;
        }
    }

    void recycle(Lane& l) noexcept { l.next = std::exchange(free_, &l); }

    /// Calls `f(lane)` for each live lane; `f` may close any of them.
    template <class F>
    void for_each(F f) {
        for (cursor_ = live_; cursor_ != nullptr;) {
            f(*std::exchange(cursor_, cursor_->next));
        }
    }

    // ---- timeouts: all lanes run for the same time, so the order in which they start is the order of these

    Lane* soonest() const noexcept { return soonest_; }

    void time(Lane& l) noexcept {
        l.timed = true;
        l.later = nullptr;
        l.sooner = std::exchange(latest_, &l);
        (l.sooner != nullptr ? l.sooner->later : soonest_) = &l;
    }

    void untime(Lane& l) noexcept {
        if (std::exchange(l.timed, false)) {
            (l.sooner != nullptr ? l.sooner->later : soonest_) = l.later;
            (l.later != nullptr ? l.later->sooner : latest_) = l.sooner;
        }
    }

private:
    void add(Lane& l, std::size_t number) noexcept {
        l.number = static_cast<decltype(l.number)>(number);
        recycle(l);
    }

    void grow() {
        auto const size = chunk_ + 1;
        auto* const c = traits::allocate(allocator_, size);
        for (std::size_t i = 0; i < size; ++i) {
            traits::construct(allocator_, c + i); // a lane's default constructor does not throw
        }
        c->until_turn = static_cast<decltype(c->until_turn)>(size);
        c->next = std::exchange(chunks_, c);
        for (std::size_t i = size; --i > 0;) { // so that low numbers are opened first
            add(c[i], lanes_ + i - 1);
        }
        lanes_ += size - 1;
        chunk_ = (std::min)(chunk_ * 2, largest_chunk);
    }

    [[no_unique_address]] lane_allocator allocator_;
    Lane* chunks_ = nullptr;
    Lane* free_ = nullptr;
    Lane* live_ = nullptr;
    Lane* cursor_ = nullptr;
    Lane* soonest_ = nullptr;
    Lane* latest_ = nullptr;
    std::size_t chunk_ = first_chunk;
    std::array<Lane, Fixed> fixed_;
    std::size_t lanes_ = Fixed; ///< that were ever made
};

} // namespace fanout::detail
