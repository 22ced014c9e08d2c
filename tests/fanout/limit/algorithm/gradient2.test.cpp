// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/algorithm/gradient2.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

using namespace std::chrono_literals;
using fanout::gradient2;
using fanout::sample;

static_assert(fanout::limit_algorithm<gradient2>);
static_assert(std::is_trivially_destructible_v<gradient2::options> &&
              std::is_aggregate_v<gradient2::options>);

namespace {

constexpr std::size_t all = 1'000'000; // in flight: the limit was used

sample served(std::chrono::nanoseconds rtt, std::size_t n = 10) { return {rtt, all, false, n}; }
constexpr sample overloaded{.in_flight = all, .overloaded = true};

std::size_t after(gradient2& g, sample const& s) {
    g.on_sample(s);
    return g.limit();
}

// Past slow start, with an unloaded latency of 10 ms, at 90.
gradient2 at_90() {
    gradient2 g({.initial = 100});
    g.on_sample(overloaded);   // 0.8 · 100 + 0.2 · 50
    g.on_sample(served(99ms)); // skipped: the limit has just changed
    g.on_sample(served(10ms));
    return g;
}

} // namespace

TEST_CASE("Gradient2: by the formula") {
    struct row {
        std::chrono::nanoseconds rtt;
        std::size_t after_1;
        std::size_t after_2;
    };
    for (auto const& [rtt, after_1, after_2] : {
             row{10ms, 90, 91},    // g = 1: + 0.2 · 4: 90.8; 91.6
             row{10600us, 90, 91}, // g = min(1, 1.07 / 1.06): the same
             row{10800us, 89, 89}, // g = 0.9907: · (0.8 + 0.2 g) = · 0.99815: 89.8; 89.7
             row{12500us, 87, 84}, // g = 0.856: · 0.9712: 87.4; 84.9
             row{20ms, 81, 74},    // g = 0.535: · 0.907: 81.6; 74.04
         }) {
        CAPTURE(rtt.count());
        auto g = at_90();
        REQUIRE(g.limit() == 90);
        CHECK(after(g, served(rtt)) == after_1);
        CHECK(after(g, served(rtt)) == after_2);
    }
}

TEST_CASE("Gradient2: from far above it halves, and waits for what that does") {
    auto g = at_90();
    CHECK(after(g, served(30ms)) == 45); // 1.07 / 3 < 0.5
    CHECK(after(g, served(30ms)) == 45);
    CHECK(after(g, served(15ms)) == 42); // g = 0.7133: · 0.94267
}

TEST_CASE("Gradient2: overload takes a tenth") {
    gradient2 g({.initial = 100});
    CHECK(after(g, overloaded) == 90);
    CHECK(after(g, overloaded) == 81);
    CHECK(after(g, overloaded) == 72); // 72.9
    gradient2 least({.initial = 1});
    CHECK(after(least, overloaded) == 1);
}

TEST_CASE("Gradient2: ten round trips without a queue double the step, and a queue makes it one again") {
    auto g = at_90();
    for (int i = 0; i < 9; ++i) {
        g.on_sample(served(10ms)); // + 0.8
    }
    CHECK(g.limit() == 97);              // 97.2
    g.on_sample(served(10ms));           // 98.0
    CHECK(after(g, served(10ms)) == 99); // + 1.6: 99.6
    for (int i = 0; i < 8; ++i) {
        g.on_sample(served(10ms));
    }
    CHECK(g.limit() == 112);                 // 112.4
    g.on_sample(served(10ms));               // 114.0
    CHECK(after(g, served(10ms)) == 117);    // + 3.2: 117.2
    CHECK(after(g, served(12500us)) == 113); // · 0.9712: 113.8
    CHECK(after(g, served(10ms)) == 114);    // + 0.8: 114.6
}

TEST_CASE("Gradient2: the headroom of a small limit is small") {
    gradient2 g({.initial = 9});
    g.on_sample(overloaded); // 8.1
    g.on_sample(served(10ms));
    g.on_sample(served(10ms));
    for (int i = 0; i < 4; ++i) {
        g.on_sample(served(10ms)); // + 0.2 · max(1, L/8): 8.30, 8.51, 8.72, 8.94
    }
    CHECK(g.limit() == 8);
    CHECK(after(g, served(10ms)) == 9); // 9.16
}

TEST_CASE("Gradient2: less than half a child in the queue is none") {
    gradient2 g({.initial = 5});
    g.on_sample(overloaded); // 4.5
    g.on_sample(served(10ms));
    g.on_sample(served(10ms));
    for (int i = 0; i < 3; ++i) {
        g.on_sample(served(11ms)); // g < 1, but 4.5 (1 - 10/11) = 0.41: 4.7, 4.9, 5.1
    }
    CHECK(g.limit() == 5);
    CHECK(after(g, served(12ms)) == 4); // 0.85 children; g = 0.892: · 0.978: 4.99
}

TEST_CASE("Gradient2: slow start doubles every other round trip, until there is a queue") {
    gradient2 g({.maximum = 200, .initial = 20});
    CHECK(after(g, served(10ms)) == 20); // the unloaded latency
    CHECK(after(g, served(10ms)) == 40);
    CHECK(after(g, served(50ms)) == 40); // of children that were started before
    CHECK(after(g, served(10ms)) == 80);
    CHECK(after(g, served(10ms)) == 80);
    CHECK(after(g, served(40ms)) == 20); // · 10/40
    CHECK(after(g, served(40ms)) == 20);
    CHECK(after(g, served(10ms)) == 20); // + 0.2 · 20/8
}

TEST_CASE("Gradient2: fewer than ten children are no measurement, but slow start goes on to ten") {
    gradient2 g({.initial = 1});
    CHECK(after(g, served(10ms, 1)) == 2);
    CHECK(after(g, served(10ms, 2)) == 4);
    CHECK(after(g, served(10ms, 4)) == 8);
    CHECK(after(g, served(10ms, 8)) == 8); // the unloaded latency
    CHECK(after(g, served(10ms, 8)) == 16);
}

TEST_CASE("Gradient2: a limit that is not used neither grows nor shrinks") {
    auto g = at_90();
    for (int i = 0; i < 5; ++i) {
        CHECK(after(g, {10ms, 44, false, 10}) == 90);
        CHECK(after(g, {40ms, 44, false, 10}) == 90);
    }
    CHECK(after(g, {40ms, 45, false, 10}) == 45);
}

TEST_CASE("Gradient2: it lowers the limit to look for the unloaded latency") {
    auto g = at_90();
    int trips = 0;
    std::size_t last = 0;
    do {
        last = g.limit();
        g.on_sample(served(10600us)); // no sign of a queue, but not the unloaded latency either
        ++trips;
    } while (g.limit() >= last && trips < 100);
    CHECK(trips >= 15); // U(0.5, 1) · 30
    CHECK(trips <= 31);
    CHECK(g.limit() >= last * 89 / 100); // 0.95 · 10/10.6 < 0.9
    CHECK(g.limit() <= last * 90 / 100);
    g.on_sample(served(10600us));
    CHECK(after(g, served(10ms)) == last);
}

TEST_CASE("Gradient2: overload ends the look") {
    auto g = at_90();
    std::size_t last = 0;
    do {
        last = g.limit();
        g.on_sample(served(10600us));
    } while (g.limit() >= last);
    auto const expected = last * 9 / 10;
    CHECK(after(g, overloaded) >= expected);
    CHECK(g.limit() <= expected + 1);
}

TEST_CASE("Gradient2: a latency that stands above the unloaded one does not make the limit creep up") {
    auto g = at_90();
    // A backend of 90 slots: the latency is the limit's share of it.
    std::size_t most = 0;
    for (int i = 0; i < 20000; ++i) {
        auto const l = g.limit();
        g.on_sample(served(l <= 90 ? 10ms : std::chrono::nanoseconds(10ms) * static_cast<int>(l) / 90));
        most = most > l ? most : l;
    }
    CHECK(most <= 112); // 90 · 1.25
    CHECK(g.limit() >= 78);
}

TEST_CASE("Gradient2: a backend that has become slower for good is soon believed") {
    auto g = at_90();
    std::size_t least = 90;
    int trips = 0;
    for (; g.limit() <= 90 && trips < 200; ++trips) {
        g.on_sample(served(30ms)); // whatever the limit is
        least = least < g.limit() ? least : g.limit();
    }
    CHECK(least < 45);
    CHECK(g.limit() > 90);
    CHECK(trips <= 40);
}

TEST_CASE("Gradient2: children that complete at once are no division by zero") {
    gradient2 g({.maximum = 50});
    for (int i = 0; i < 20; ++i) {
        g.on_sample(served(0ns));
    }
    CHECK(g.limit() == 50);
}

TEST_CASE("Gradient2: an option out of range is refused by name") {
    CHECK(gradient2({.maximum = 4}).limit() == 4);
    CHECK_THROWS_WITH_AS(gradient2({.minimum = 0}), "fanout::gradient2: minimum must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(gradient2({.tolerance = 0.9}), "fanout::gradient2: tolerance must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(gradient2({.smoothing = 0}), "fanout::gradient2: smoothing must lie within (0, 1]",
                         std::invalid_argument);
    CHECK_THROWS_AS(gradient2({.smoothing = 1.1}), std::invalid_argument);
    CHECK_THROWS_WITH_AS(gradient2({.headroom = 0}), "fanout::gradient2: headroom must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(gradient2({.patience = 0}), "fanout::gradient2: patience must be at least 1",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(gradient2({.probe_trips = 0}), "fanout::gradient2: probe_trips must be at least 1",
                         std::invalid_argument);
}
