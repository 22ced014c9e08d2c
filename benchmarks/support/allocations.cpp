// SPDX-License-Identifier: BSL-1.0

// A library to be loaded before the C library: counts each allocation and hands it on. For glibc.

#include "allocations.hpp"

#include <malloc.h>

#include <atomic>
#include <cerrno>

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> bytes{0};
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> peak{0};

void* counted(void* block, std::size_t asked) {
    if (block != nullptr) {
        allocations.fetch_add(1, std::memory_order_relaxed);
        bytes.fetch_add(asked, std::memory_order_relaxed);
        auto const size = ::malloc_usable_size(block);
        auto const now = live.fetch_add(size, std::memory_order_relaxed) + size;
        auto highest = peak.load(std::memory_order_relaxed);
        while (highest < now && !peak.compare_exchange_weak(highest, now, std::memory_order_relaxed)) {
        }
    }
    return block;
}

void gone(void* block) {
    if (block != nullptr) {
        live.fetch_sub(::malloc_usable_size(block), std::memory_order_relaxed);
    }
}

} // namespace

extern "C" {

// glibc's own names for what this library stands before.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

bench_allocations_made bench_allocations() {
    bench_allocations_made const made{allocations.load(), bytes.load(), live.load(), peak.load()};
    peak.store(made.live);
    return made;
}

void* malloc(std::size_t size) { return counted(__libc_malloc(size), size); }

void* calloc(std::size_t n, std::size_t size) { return counted(__libc_calloc(n, size), n * size); }

void* realloc(void* block, std::size_t size) {
    gone(block);
    auto* const moved = __libc_realloc(block, size);
    if (moved == nullptr && block != nullptr && size != 0) {
        live.fetch_add(::malloc_usable_size(block)); // it stays where it is
    }
    return counted(moved, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
    return counted(__libc_memalign(alignment, size), size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }

int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
    *block = memalign(alignment, size);
    return *block == nullptr ? ENOMEM : 0;
}

void free(void* block) {
    gone(block);
    __libc_free(block);
}
}
