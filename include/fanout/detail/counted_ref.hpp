// SPDX-License-Identifier: BSL-1.0
#pragma once

// A reference to an object that counts its references in `references_` and ends itself by `destroy()`.

#include <boost/config.hpp>

#include <atomic>
#include <utility>

namespace fanout::detail {

template <class T>
class counted_ref {
public:
    counted_ref() noexcept = default;
    explicit counted_ref(T* p) noexcept : target_(p) {
        p->references_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Takes over a reference that was given up by `release()`.
    static counted_ref adopt(T* p) noexcept {
        counted_ref r;
        r.target_ = p;
        return r;
    }
    counted_ref(counted_ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
    counted_ref& operator=(counted_ref&& other) noexcept {
        counted_ref(std::move(other)).swap(*this);
        return *this;
    }
    BOOST_FORCEINLINE ~counted_ref() { drop(target_); }

    void reset() noexcept { drop(std::exchange(target_, nullptr)); }

    /// Gives the reference up without giving it back.
    T* release() noexcept { return std::exchange(target_, nullptr); }

    void swap(counted_ref& other) noexcept { std::swap(target_, other.target_); }
    /// How many hold the object.
    auto count() const noexcept { return target_->references_.load(std::memory_order_acquire); }
    T* get() const noexcept { return target_; }
    T* operator->() const noexcept { return target_; }
    T& operator*() const noexcept { return *target_; }
    explicit operator bool() const noexcept { return target_ != nullptr; }

private:
    // A handler that holds a reference is moved several times on its way: what is left behind must cost next to nothing.
    BOOST_FORCEINLINE static void drop(T* p) noexcept {
        if (p != nullptr && p->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) [[unlikely]] {
            p->destroy();
        }
    }

    T* target_ = nullptr;
};

} // namespace fanout::detail
