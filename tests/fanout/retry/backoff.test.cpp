// SPDX-License-Identifier: BSL-1.0

#include <fanout/retry/backoff.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>

using namespace std::chrono_literals;

TEST_CASE("exponential: the bound doubles up to the cap") {
    fanout::exponential const e{.base = 50ms, .cap = 20s};
    CHECK(e.bound(0) == 50ms);
    CHECK(e.bound(1) == 100ms);
    CHECK(e.bound(8) == 12800ms);
    CHECK(e.bound(9) == 20s);
    CHECK(e.bound(4000000000U) == 20s);
    CHECK(fanout::exponential{.base = 30s, .cap = 20s}.bound(0) == 20s);
    CHECK(fanout::exponential{.base = 0s, .cap = 20s}.bound(100) == 0s);
}

TEST_CASE("exponential: full jitter is uniform between 0 and the bound") {
    fanout::exponential const e{.base = 100ms, .cap = 20s};
    std::minstd_rand seeded(42);
    double sum = 0;
    auto least = std::chrono::nanoseconds::max();
    auto most = std::chrono::nanoseconds::min();
    constexpr int draws = 100000;
    for (int i = 0; i < draws; ++i) {
        auto const d = e.delay(2, seeded);
        least = std::min(least, d);
        most = std::max(most, d);
        sum += static_cast<double>(d.count());
    }
    CHECK(sum / draws == doctest::Approx(200e6).epsilon(0.01)); // half of 400 ms, in ns
    CHECK(least >= 0ns);
    CHECK(least < 1ms);
    CHECK(most < 400ms);
    CHECK(most > 399ms);
}

static_assert(fanout::backoff<fanout::exponential>);
