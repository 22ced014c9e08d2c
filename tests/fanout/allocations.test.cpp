// SPDX-License-Identifier: BSL-1.0

// What a child costs in memory: nothing on the heap, once the lanes are there.

#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <new>
#include <ranges>

namespace {

std::size_t allocations = 0;

}

void* operator new(std::size_t n) {
    ++allocations;
    if (auto* p = std::malloc(n)) {
        return p;
    }
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace test;

namespace {

/// Heap allocations of a fan-out over n children.
template <class Make>
std::size_t cost(Make make, std::size_t n) {
    asio::io_context ctx(1);
    auto op = make(n);
    auto const before = allocations;
    auto const r = run(ctx, std::move(op));
    REQUIRE(r->done);
    return allocations - before;
}

asio::awaitable<void> child(std::size_t) { co_await turn(); }

} // namespace

TEST_CASE("a window allocates nothing per child: Asio's frame recycler is not exhausted by the lanes") {
    auto const all = [](std::size_t n) {
        return fanout::when_all(std::views::iota(std::size_t{0}, n), child, fanout::limit(64));
    };
    auto const settled = [](std::size_t n) {
        return fanout::when_all_settled(std::views::iota(std::size_t{0}, n), child, fanout::limit(64));
    };
    auto const retried = [](std::size_t n) {
        return fanout::retry_rejected(std::views::iota(std::size_t{0}, n), child, fanout::limit(64));
    };
    (void)cost(all, 1000); // fills the caches
    CHECK(cost(all, 20000) <= cost(all, 1000));
    CHECK(cost(settled, 20000) <= cost(settled, 1000));
    CHECK(cost(retried, 20000) <= cost(retried, 1000));
    std::cout << "when_all, limit(64), 20,000 children: " << cost(all, 20000) << " allocations in all\n";
}
