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
constexpr std::size_t inputs = 100'000;

/// Rejects without an exception, so that what is measured is ours.
struct always_rejects {
    auto operator()(std::size_t) const {
        return make_operation<void(error_code)>(
            [](auto h) { std::move(h)(error_code(asio::error::connection_refused)); });
    }
};

/// Bytes for each input while all are asleep before attempt 2, and before attempt 3.
template <class Backoff, class... More>
std::vector<std::size_t> bytes_per_sleeper(Backoff backoff, More&&... more) {
    asio::io_context ctx(1);
    std::minstd_rand seeded(1);
    // What is there anyway: the outcomes, as when_all_settled has them, and the attempts.
    auto const results = inputs * (sizeof(fanout::settled<void>) + sizeof(std::uint32_t));
    auto const before = allocated;
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(std::size_t{0}, inputs), always_rejects{},
                                                fanout::retry_policy{.max_attempts = 3, .backoff = backoff},
                                                times{}, fanout::limit(64), fanout::jitter_from(seeded),
                                                std::forward<More>(more)...));
    poll(ctx);
    std::vector<std::size_t> bytes{(allocated - before - results) / inputs};
    manual_clock::advance(10min, ctx);
    REQUIRE_FALSE(r->done);
    bytes.push_back((allocated - before - results) / inputs);
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->value->retries() == 2 * inputs);
    CHECK(r->value->first_failures.size() == inputs);
    return bytes;
}

} // namespace

TEST_CASE("100,000 inputs asleep: at most 128 bytes each") {
    auto const plain = bytes_per_sleeper(fanout::constant{.interval = 10min});
    fanout::token_budget budget({.tokens = 4'000'000'000});
    auto const most = bytes_per_sleeper(fanout::decorrelated{.base = 10min, .cap = 10min}, budget);
    for (auto const& b : {plain, most}) {
        MESSAGE("memory per sleeping input: "
                << b[0] << " bytes; with its first error kept, from the second sleep on: " << b[1]
                << " bytes");
        CHECK(b[0] <= 128);
        CHECK(b[1] <= 128);
        CHECK(b[0] >= sizeof(void*)); // else nothing was measured
    }
}

TEST_CASE("100,000 inputs asleep: one timer armed") {
    asio::io_context ctx(1);
    std::minstd_rand seeded(1);
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(std::size_t{0}, inputs), always_rejects{},
                                                fanout::retry_policy{.max_attempts = 2}, times{},
                                                fanout::limit(64), fanout::jitter_from(seeded)));
    poll(ctx);
    REQUIRE_FALSE(r->done);
    // All are due now: a timer for each would be a handler for each.
    manual_clock::current += 1s;
    std::size_t handlers = 0;
    while (!r->done) {
        handlers += ctx.poll();
    }
    MESSAGE("handlers that woke and ran 100,000 sleepers: " << handlers);
    CHECK(handlers < inputs / 50); // a lane goes through the event loop after each 256 children
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
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 200), child, patient, times{},
                                                fanout::limit(64), fanout::jitter_from(seeded)));
    auto const took = fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->value->failed() == 0);
    CHECK(took >= 6h);
    CHECK(took <= 6h + 21min);
    CHECK(calls == 200 + r->value->retries());
}
