// SPDX-License-Identifier: BSL-1.0

// Many inputs asleep at once: what they cost, and that they hold up nobody; and hours of it in no time.

#include <fanout/observe/stats.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <random>
#include <ranges>
#include <set>
#include <stdexcept>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

std::size_t allocated = 0; ///< bytes, by operator new, that live

} // namespace

// Keeps the size before the block. (Replaces the sanitizers' own, which is no loss here.)
void* operator new(std::size_t n) {
    auto* const p = static_cast<std::size_t*>(std::malloc(n + alignof(std::max_align_t)));
    if (p == nullptr) {
        throw std::bad_alloc();
    }
    *p = n;
    allocated += n;
    return reinterpret_cast<char*>(p) + alignof(std::max_align_t);
}
void operator delete(void* p) noexcept {
    if (p != nullptr) {
        auto* const block = static_cast<char*>(p) - alignof(std::max_align_t);
        allocated -= *reinterpret_cast<std::size_t*>(block);
        std::free(block);
    }
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

namespace {

using times = fanout::basic_options<manual_clock>;

/// Rejects without an exception, so that what is measured is ours.
struct always_rejects {
    auto operator()(std::size_t) const {
        return make_operation<void(error_code)>(
            [](auto h) { std::move(h)(error_code(asio::error::connection_refused)); });
    }
};

/// Bytes for each input that is asleep, beside what is there anyway: the outcomes, as when_all_settled has them, and
/// the attempts.
std::size_t bytes_per_sleeper(std::size_t before, std::size_t inputs) {
    auto const results = inputs * (sizeof(fanout::settled<void>) + sizeof(std::uint32_t));
    return (allocated - before - results) / inputs;
}

} // namespace

TEST_CASE("100,000 inputs asleep: at most 128 bytes each, and one timer armed") {
    constexpr std::size_t inputs = 100'000;
    asio::io_context ctx(1);
    auto const before = allocated;
    auto r =
        launch(ctx, fanout::retry_rejected(
                        std::views::iota(std::size_t{0}, inputs), always_rejects{},
                        fanout::retry_policy{.max_attempts = 2, .backoff = fanout::constant{.interval = 1s}},
                        times{}, fanout::limit(64)));
    poll(ctx);
    REQUIRE_FALSE(r->done);
    auto const bytes = bytes_per_sleeper(before, inputs);
    MESSAGE("memory per sleeping input: " << bytes << " bytes");
    CHECK(bytes <= 128);
    CHECK(bytes >= sizeof(void*)); // else nothing was measured

    // All are due now: a timer for each would be a handler for each.
    manual_clock::current += 1s;
    std::size_t handlers = 0;
    while (!r->done) {
        handlers += ctx.poll();
    }
    MESSAGE("handlers that woke and ran 100,000 sleepers: " << handlers);
    CHECK(handlers < inputs / 50); // a lane goes through the event loop after each 256 children
    CHECK(r->value->retries() == inputs);
}

TEST_CASE(
    "20,000 inputs asleep with all that one can carry: a backoff that remembers, a budget, a first error") {
    constexpr std::size_t inputs = 20'000;
    asio::io_context ctx(1);
    std::minstd_rand seeded(1);
    fanout::token_budget budget({.tokens = 4'000'000'000});
    auto const before = allocated;
    auto r =
        launch(ctx, fanout::retry_rejected(
                        std::views::iota(std::size_t{0}, inputs), always_rejects{},
                        fanout::retry_policy{.max_attempts = 3,
                                             .backoff = fanout::decorrelated{.base = 10min, .cap = 10min}},
                        times{}, fanout::limit(64), fanout::jitter_from(seeded), budget));
    poll(ctx);
    auto const first = bytes_per_sleeper(before, inputs);
    manual_clock::advance(10min, ctx);
    REQUIRE_FALSE(r->done);
    auto const second = bytes_per_sleeper(before, inputs);
    MESSAGE("memory per sleeping input: "
            << first << " bytes; from the second sleep on, with its first error: " << second << " bytes");
    CHECK(first <= 128);
    CHECK(second <= 128);
    CHECK(second > first);
    manual_clock::advance(10min, ctx);
    REQUIRE(r->done);
    CHECK(r->value->first_failures.size() == inputs);
}

TEST_CASE("16 sleepers with limit 16 do not hold up the rest") {
    asio::io_context ctx(1);
    std::set<int> done;
    auto child = [&done](int i) -> asio::awaitable<void> {
        co_await turn();
        if (i < 16) {
            throw std::runtime_error("for a while");
        }
        done.insert(i);
    };
    fanout::stats seen;
    auto r =
        launch(ctx, fanout::retry_rejected(
                        std::views::iota(0, 1000), child,
                        fanout::retry_policy{.max_attempts = 3, .backoff = fanout::constant{.interval = 1h}},
                        times{}, fanout::limit(16), seen));
    poll(ctx);
    CHECK(done.size() == 984); // no time has passed
    CHECK_FALSE(r->done);
    CHECK(fanout::testing::run(ctx) == 2h);
    CHECK(r->done);
    CHECK(seen.peak_in_flight() == 16);
}

TEST_CASE("a day of a backend that is down for hours, in virtual time: every input is fulfilled in the end") {
    asio::io_context ctx(1);
    auto const begun = manual_clock::now();
    std::minstd_rand seeded(3);
    std::size_t calls = 0;
    auto child = [&](int) -> asio::awaitable<void> {
        ++calls;
        asio::basic_waitable_timer<manual_clock> service(co_await asio::this_coro::executor, 20ms);
        co_await service.async_wait(asio::deferred);
        if (manual_clock::now() - begun < 6h) {
            throw std::runtime_error("down");
        }
    };
    fanout::retry_policy<fanout::exponential> const patient{
        .max_attempts = 100, .backoff = {.base = 1s, .cap = 20min, .jitter = fanout::jitter::equal}};
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 60), child, patient, times{},
                                                fanout::limit(64), fanout::jitter_from(seeded)));
    auto const took = fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->value->failed() == 0);
    CHECK(took >= 6h);
    CHECK(took <= 6h + 21min);
    CHECK(calls == 60 + r->value->retries());
}
