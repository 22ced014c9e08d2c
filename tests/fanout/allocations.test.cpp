// SPDX-License-Identifier: BSL-1.0

// What a child costs in memory: nothing on the heap, once the lanes are there.

#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <new>
#include <ranges>

namespace {

std::size_t allocations = 0; ///< by operator new
std::size_t of_asio = 0;     ///< by Asio's recycler: coroutine frames and operations

} // namespace

// Asio allocates by std::aligned_alloc.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
    ++of_asio;
    void* p = nullptr;
    return posix_memalign(&p, (std::max)(alignment, sizeof(void*)), n) == 0 ? p : nullptr;
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

/// Likewise, with Asio's.
template <class Make>
std::size_t cost_in_all(Make make, std::size_t n) {
    auto const before = of_asio;
    auto const by_new = cost(make, n);
    return by_new + (of_asio - before);
}

asio::awaitable<void> child(std::size_t) { co_await turn(); }

/// Ends without a turn of the event loop, but for those with which its lane lets others have a turn.
asio::awaitable<void> synchronous(std::size_t) { co_return; }

constexpr std::size_t long_enough = 64 * 400; ///< more than 256 children in each lane of a window of 64
static_assert(long_enough / 64 > fanout::detail::children_per_turn);

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

TEST_CASE(
    "a window allocates nothing per child even when every lane yields: a block or two per lane, by Asio") {
    auto const run_through = [](auto factory) {
        auto const make = [factory](std::size_t n) {
            return fanout::when_all(std::views::iota(std::size_t{0}, n), factory, fanout::limit(64));
        };
        (void)cost_in_all(make, 1000);
        CHECK(cost_in_all(make, long_enough) <= cost_in_all(make, 1000) + 2 * 64);
        CHECK(cost_in_all(make, 4 * long_enough) <= cost_in_all(make, long_enough) + 64);
    };
    run_through(child);
    CHECK(of_asio > 64); // what Asio allocates is counted: the lanes' frames
    run_through(synchronous);
}

TEST_CASE("operations in a window allocate nothing per child") {
    auto const operation = [](std::size_t) { return asio::post(asio::deferred); };
    auto const at_once = [](std::size_t) { return make_operation<void()>([](auto h) { std::move(h)(); }); };
    auto const run_through = [](auto factory) {
        auto const make = [factory](std::size_t n) {
            return fanout::when_all_settled(std::views::iota(std::size_t{0}, n), factory, fanout::limit(64));
        };
        (void)cost_in_all(make, 1000);
        CHECK(cost_in_all(make, long_enough) <= cost_in_all(make, 64) + 64);
    };
    run_through(operation);
    run_through(at_once);
}
