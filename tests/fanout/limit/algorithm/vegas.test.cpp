// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/algorithm/vegas.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

using namespace std::chrono_literals;
using fanout::sample;
using fanout::vegas;

static_assert(fanout::limit_algorithm<vegas>);
static_assert(std::is_trivially_destructible_v<vegas::options> && std::is_aggregate_v<vegas::options>);

namespace {

constexpr std::size_t all = 1'000'000; // in flight: the limit was used

sample served(std::chrono::nanoseconds rtt, std::size_t n = 10) { return {rtt, all, false, n}; }
constexpr sample overloaded{.in_flight = all, .overloaded = true};

std::size_t after(vegas& v, sample const& s) {
    v.on_sample(s);
    return v.limit();
}

// Past slow start, with an unloaded latency of 10 ms, at 80: g = 1, A = 3, B = 6.
vegas at_80(vegas::options o = {}) {
    o.initial = 81;
    vegas v(o);
    v.on_sample(overloaded);
    v.on_sample(served(99ms)); // skipped: the limit has just changed
    v.on_sample(served(10ms));
    return v;
}

} // namespace

TEST_CASE("Vegas: by the formula") {
    struct row {
        std::chrono::nanoseconds rtt;
        std::size_t expected;
    };
    for (auto const& [rtt, expected] : {
             row{10ms, 86},    // q = 0 <= g: + B
             row{10100us, 86}, // q = 80 (1 - 10/10.1) = 0.8 <= g: + B
             row{10300us, 81}, // q = 2.3 < A: + g
             row{10500us, 80}, // q = 3.8
             row{10800us, 80}, // q = 5.9
             row{10900us, 79}, // q = 6.6 > B: - g
             row{11700us, 79}, // q = 11.6
             row{12ms, 67},    // q = 13.3 > 2 B: - q, 66.7
             row{16ms, 50},    // q = 30
             row{40ms, 40},    // q = 60: no more than half at once
         }) {
        CAPTURE(rtt.count());
        auto v = at_80();
        REQUIRE(v.limit() == 80);
        CHECK(after(v, served(rtt)) == expected);
    }
}

TEST_CASE("Vegas: the step follows the limit's logarithm") {
    vegas v({.initial = 1000});
    CHECK(after(v, overloaded) == 997); // g = 3
    CHECK(after(v, overloaded) == 995); // g = 2
    v.on_sample(served(10ms));
    v.on_sample(served(10ms));
    CHECK(after(v, served(10ms)) == 1000); // + B = 12, at most 1000
    vegas few({.initial = 2});
    CHECK(after(few, overloaded) == 1);
    CHECK(after(few, overloaded) == 1);
}

TEST_CASE("Vegas: of a small limit, only a small part may wait") {
    vegas v({.initial = 21});
    v.on_sample(overloaded);
    v.on_sample(served(10ms));
    v.on_sample(served(10ms));
    REQUIRE(v.limit() == 20);               // A = 20/16, B = 2
    CHECK(after(v, served(11ms)) == 20);    // q = 1.8
    CHECK(after(v, served(11300us)) == 19); // q = 2.3 > B
}

TEST_CASE("Vegas: slow start doubles every other round trip, until there is a queue") {
    vegas v({.maximum = 200, .initial = 20});
    CHECK(after(v, served(10ms)) == 20); // the unloaded latency
    CHECK(after(v, served(10ms)) == 40);
    CHECK(after(v, served(50ms)) == 40); // of children that were started before
    CHECK(after(v, served(10ms)) == 80);
    CHECK(after(v, served(10ms)) == 80);
    CHECK(after(v, served(20ms)) == 40); // q = 40: - q
    CHECK(after(v, served(20ms)) == 40);
    CHECK(after(v, served(10ms)) == 44); // B = 40/10
}

TEST_CASE("Vegas: fewer than ten children are no measurement, but slow start goes on to ten") {
    vegas v({.initial = 1});
    CHECK(after(v, served(10ms, 1)) == 2);
    CHECK(after(v, served(10ms, 2)) == 4);
    CHECK(after(v, served(10ms, 4)) == 8);
    CHECK(after(v, served(10ms, 8)) == 8);   // the unloaded latency
    CHECK(after(v, served(10ms, 8)) == 16);  // 8 are too few, but the limit is below ten
    CHECK(after(v, served(10ms, 8)) == 32);  // with these, 16: no queue
    CHECK(after(v, served(10ms, 16)) == 32); // of children that were started before
    CHECK(after(v, served(10ms, 9)) == 32);  // too few
    CHECK(after(v, served(10ms, 1)) == 64);
}

TEST_CASE("Vegas: a limit that is not used neither grows nor shrinks") {
    auto v = at_80();
    for (auto const rtt : {10ms, 40ms}) {
        CHECK(after(v, {rtt, 39, false, 10}) == 80);
    }
    CHECK(after(v, {10ms, 40, false, 10}) == 86);
}

TEST_CASE("Vegas: it lowers the limit to look for the unloaded latency") {
    auto v = at_80();
    int trips = 0;
    while (v.limit() == 80 && trips < 100) {
        v.on_sample(served(10500us)); // q = 3.8
        ++trips;
    }
    CHECK(trips >= 15); // U(0.5, 1) · 30
    CHECK(trips <= 31);
    CHECK(v.limit() == 72); // 0.9 · 80 < 0.95 · 76.2
    CHECK(after(v, served(10500us)) == 72);
    CHECK(after(v, served(10300us)) == 80); // found 10.3 ms
    CHECK(after(v, served(10500us)) == 80);
    CHECK(after(v, served(10500us)) == 81); // q = 80 (1 - 10.3/10.5) = 1.5 < A
}

TEST_CASE("Vegas: what is found while the backend becomes slower is not believed") {
    auto v = at_80();
    while (v.limit() == 80) {
        v.on_sample(served(10500us));
    }
    v.on_sample(served(10500us));
    CHECK(after(v, served(20ms)) == 80); // slower, with fewer in flight
    v.on_sample(served(10500us));
    CHECK(after(v, served(10500us)) == 80); // q = 3.8 still
    CHECK(after(v, served(10500us)) == 72); // and looks again
}

TEST_CASE("Vegas: where it finds what it did not know, it looks again") {
    auto v = at_80();
    while (v.limit() == 80) {
        v.on_sample(served(10500us));
    }
    v.on_sample(served(10500us));
    CHECK(after(v, served(9ms)) == 80); // not 10 ms: was there a queue still?
    v.on_sample(served(10500us));
    CHECK(after(v, served(10500us)) == 79); // q = 11.4
    v.on_sample(served(10500us));
    CHECK(after(v, served(10500us)) == 64); // 0.95 · 79 · 9/10.5
}

TEST_CASE("Vegas: it does not look while the latency changes") {
    auto counted = at_80();
    int trips = 0;
    for (; counted.limit() == 80; ++trips) {
        counted.on_sample(served(10500us));
    }
    auto v = at_80();
    for (int i = 1; i < trips; ++i) {
        v.on_sample(served(10500us));
    }
    CHECK(after(v, served(11700us)) == 79); // q = 11.6: - g
    v.on_sample(served(11700us));
    CHECK(after(v, served(11700us)) == 64); // 0.95 · 79 · 10/11.7
}

TEST_CASE("Vegas: overload ends the look") {
    auto v = at_80();
    while (v.limit() == 80) {
        v.on_sample(served(10500us));
    }
    CHECK(after(v, overloaded) == 79);
    v.on_sample(served(10ms));
    CHECK(after(v, served(10ms)) == 85); // judged, and not taken for the end of the look: 79 + B
}

TEST_CASE("Vegas: a backend that has become slower for good is soon believed") {
    auto v = at_80();
    std::size_t least = 80;
    int trips = 0;
    for (; v.limit() <= 80 && trips < 200; ++trips) {
        v.on_sample(served(20ms)); // whatever the limit is
        least = least < v.limit() ? least : v.limit();
    }
    CHECK(least < 40);
    CHECK(v.limit() > 80);
    CHECK(trips <= 30);
}

TEST_CASE("Vegas: children that complete at once are no division by zero") {
    vegas v({.maximum = 50});
    for (int i = 0; i < 20; ++i) {
        v.on_sample(served(0ns));
    }
    CHECK(v.limit() == 50);
}

TEST_CASE("Vegas: it draws by its seed, when to look") {
    auto const trips = [](std::uint32_t seed) {
        auto v = at_80({.seed = seed});
        int n = 0;
        for (; v.limit() == 80; ++n) {
            v.on_sample(served(10500us));
        }
        return n;
    };
    CHECK(trips(1) == trips(1));
    bool other = false;
    for (std::uint32_t seed = 2; seed < 100000; seed += 5000) {
        other = other || trips(seed) != trips(1);
    }
    CHECK(other);
}

TEST_CASE("Vegas: an option out of range is refused by name") {
    CHECK(vegas({.maximum = 4}).limit() == 4);
    CHECK_THROWS_WITH_AS(vegas({.minimum = 0}), "fanout::vegas: minimum must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_AS(vegas({.maximum = 4, .initial = 5}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(vegas({.alpha = 0}), "fanout::vegas: alpha must be more than 0",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(vegas({.alpha = 3, .beta = 2}), "fanout::vegas: beta must be at least alpha",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(vegas({.probe_trips = 0}), "fanout::vegas: probe_trips must be at least 1",
                         std::invalid_argument);
}
