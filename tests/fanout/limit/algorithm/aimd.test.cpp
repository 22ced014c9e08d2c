// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/algorithm/aimd.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

using namespace std::chrono_literals;
using fanout::aimd;
using fanout::sample;

static_assert(fanout::limit_algorithm<aimd>);
static_assert(std::is_trivially_destructible_v<aimd::options> && std::is_aggregate_v<aimd::options>);
static_assert(!std::is_convertible_v<aimd::options, aimd>);

namespace {

constexpr std::size_t all = 1'000'000; // in flight: the limit was used

sample served(std::size_t in_flight = all) { return {10ms, in_flight, false, 10}; }
constexpr sample overloaded{.in_flight = all, .overloaded = true};

std::size_t after(aimd& a, sample const& s) {
    a.on_sample(s);
    return a.limit();
}

} // namespace

TEST_CASE("AIMD: overload takes a tenth, rounded down, and never the last") {
    aimd a({.initial = 10});
    // 9; 8.1; 7.2; 6.3; 5.4; 4.5; 3.6; 2.7; 1.8; 0.9
    for (auto const expected : {9U, 8U, 7U, 6U, 5U, 4U, 3U, 2U, 1U, 1U, 1U}) {
        CHECK(after(a, overloaded) == expected);
    }
    aimd b({.initial = 1000});
    // 900; 810; 729; 656.1; 590.4; 531
    for (auto const expected : {900U, 810U, 729U, 656U, 590U, 531U}) {
        CHECK(after(b, overloaded) == expected);
    }
    aimd c({.minimum = 5, .initial = 6, .backoff = 0.5});
    CHECK(after(c, overloaded) == 5);
}

TEST_CASE("AIMD: slow start doubles until the first overload, and not above the maximum") {
    aimd a({.maximum = 100, .initial = 1});
    for (auto const expected : {2U, 4U, 8U, 16U, 32U, 64U, 100U, 100U}) {
        CHECK(after(a, served()) == expected);
    }
    CHECK(after(a, overloaded) == 90);
    CHECK(after(a, served()) == 91);
}

TEST_CASE("AIMD: then 1 more each round trip, and twice as much after ten without overload") {
    aimd a({.initial = 100});
    CHECK(after(a, overloaded) == 90);
    for (std::size_t i = 1; i <= 10; ++i) {
        CHECK(after(a, served()) == 90 + i);
    }
    for (std::size_t i = 1; i <= 10; ++i) {
        CHECK(after(a, served()) == 100 + 2 * i);
    }
    CHECK(after(a, served()) == 124);
    CHECK(after(a, overloaded) == 111); // 111.6
    CHECK(after(a, served()) == 112);
}

TEST_CASE("AIMD: it grows only where half of the limit was in use") {
    aimd a({.initial = 100});
    CHECK(after(a, overloaded) == 90);
    CHECK(after(a, served(44)) == 90);
    CHECK(after(a, served(45)) == 91);
    CHECK(after(a, served(45)) == 91); // 2 · 45 < 91
    CHECK(after(a, served(46)) == 92);
    aimd b({.initial = 1});
    CHECK(after(b, served(1)) == 2);
    CHECK(after(b, served(0)) == 2);
}

TEST_CASE("AIMD: it starts at 10, or at the bound that is nearest") {
    CHECK(aimd({}).limit() == 10);
    CHECK(aimd({.maximum = 4}).limit() == 4);
    CHECK(aimd({.minimum = 20}).limit() == 20);
}

TEST_CASE("AIMD: an option out of range is refused by name") {
    CHECK_THROWS_WITH_AS(aimd({.minimum = 0}), "fanout::aimd: minimum must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(aimd({.minimum = 5, .maximum = 4}), "fanout::aimd: minimum must not exceed maximum",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(aimd({.maximum = 4, .initial = 5}),
                         "fanout::aimd: initial must lie within [minimum, maximum]", std::invalid_argument);
    CHECK_THROWS_AS(aimd({.minimum = 2, .initial = 1}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(aimd({.backoff = 1}), "fanout::aimd: backoff must lie within [0.5, 1)",
                         std::invalid_argument);
    CHECK_THROWS_AS(aimd({.backoff = 0.4}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(aimd({.patience = 0}), "fanout::aimd: patience must be at least 1",
                         std::invalid_argument);
}
