// SPDX-License-Identifier: BSL-1.0
#pragma once

// A reference to an object that counts its references in `references_` and ends itself by `destroy()`.

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
    counted_ref(counted_ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
    counted_ref& operator=(counted_ref&& other) noexcept {
        counted_ref(std::move(other)).swap(*this);
        return *this;
    }
    ~counted_ref() { reset(); }

    void reset() noexcept {
        auto* const p = std::exchange(target_, nullptr);
        if (p != nullptr && p->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            p->destroy();
        }
    }

    /// Gives the reference up without giving it back.
    T* release() noexcept { return std::exchange(target_, nullptr); }

    void swap(counted_ref& other) noexcept { std::swap(target_, other.target_); }
    T* get() const noexcept { return target_; }
    T* operator->() const noexcept { return target_; }
    T& operator*() const noexcept { return *target_; }
    explicit operator bool() const noexcept { return target_ != nullptr; }

private:
    T* target_ = nullptr;
};

} // namespace fanout::detail
