// SPDX-License-Identifier: BSL-1.0
#pragma once

// The memory of an operation that runs on a handler lane: a place in the lane, so that an operation costs no allocation.

#include <boost/asio/recycling_allocator.hpp>

#include <atomic>
#include <cstddef>
#include <type_traits>

namespace fanout::detail {

/// Room for one block. An operation that needs a larger one, or a second one meanwhile, gets it from Asio's recycler.
class operation_memory {
public:
    static constexpr std::size_t size = 192; // a socket's read or write, with our handler in it
    static constexpr std::size_t alignment = alignof(std::max_align_t);

    void* take() noexcept { return taken_.test_and_set(std::memory_order_acquire) ? nullptr : bytes_; }
    void give_back() noexcept { taken_.clear(std::memory_order_release); }
    bool is(void const* p) const noexcept { return p == bytes_; }

    void* owner = nullptr; ///< the fan-out

private:
    alignas(alignment) std::byte bytes_[size];
    std::atomic_flag taken_; // the chain of an operation's handlers may go from thread to thread
};

/// Where children are coroutines, whose frames Asio itself recycles.
struct no_operation_memory {};

/// The allocator of an operation's handler. Whoever holds a block of the lane holds the fan-out as well: some operations
/// free their memory only when they have destroyed their handler, which may have been the last to hold it.
template <class T, class Engine>
class lane_allocator {
    using lane_type = typename Engine::lane_type;

public:
    using value_type = T;
    template <class U>
    struct rebind {
        using other = lane_allocator<U, Engine>;
    };

    explicit lane_allocator(lane_type& lane) noexcept : lane_(&lane) {}
    template <class U>
    lane_allocator(lane_allocator<U, Engine> const& other) noexcept : lane_(other.lane_) {}

    T* allocate(std::size_t n)
        requires(!std::is_void_v<T>)
    {
        if (sizeof(T) <= operation_memory::size && alignof(T) <= operation_memory::alignment &&
            n <= operation_memory::size / sizeof(T)) {
            if (auto* const p = lane_->memory.take()) {
                ref(static_cast<Engine*>(lane_->memory.owner)).release();
                return static_cast<T*>(p);
            }
        }
        return boost::asio::recycling_allocator<T>().allocate(n);
    }

    void deallocate(T* p, std::size_t n) noexcept
        requires(!std::is_void_v<T>)
    {
        if (lane_->memory.is(p)) {
            auto const last = ref::adopt(static_cast<Engine*>(lane_->memory.owner));
            lane_->memory.give_back();
        } else {
            boost::asio::recycling_allocator<T>().deallocate(p, n);
        }
    }

    template <class U>
    bool operator==(lane_allocator<U, Engine> const& other) const noexcept {
        return lane_ == other.lane_;
    }

private:
    template <class, class>
    friend class lane_allocator;
    using ref = typename Engine::ref;

    lane_type* lane_;
};

} // namespace fanout::detail
