// SPDX-License-Identifier: BSL-1.0

// Each algorithm finds the level of the backends that it is for, and stays: in virtual time.

#include <fanout/detail/round_trips.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/testing/convergence.hpp>
#include <fanout/testing/simulation.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace std::chrono_literals;
using fanout::testing::backend;
using fanout::testing::phase;

namespace {

struct scenario {
    std::size_t slots;
    double jitter;
    std::uint32_t seed;
};

// Every phase's length in unloaded round trips.
template <class Algorithm>
std::vector<fanout::testing::settling> run(backend::overload when_full, scenario const& sc,
                                           std::size_t initial, std::size_t length) {
    fanout::testing::simulation s;
    backend b(s, {.when_full = when_full,
                  .slots = sc.slots,
                  .service = 10ms,
                  .network = 200us,
                  .jitter = sc.jitter,
                  .seed = sc.seed});
    fanout::detail::round_trips<Algorithm> limit(Algorithm({.maximum = 1000, .initial = initial}));
    fanout::testing::closed_loop loop(s, b, limit);
    std::array const phases{phase{sc.slots, length}, phase{sc.slots / 2, length}, phase{sc.slots, length},
                            phase{2 * sc.slots, length}};
    return fanout::testing::watch(s, b, phases, [&] { return limit.limit(); }, [&] { return s.step(); });
}

template <class Algorithm>
void settles(backend::overload when_full, scenario const& sc, std::size_t length = 300) {
    CAPTURE(sc.slots);
    CAPTURE(sc.jitter);
    CAPTURE(sc.seed);
    for (std::size_t const initial : {std::size_t{1}, std::size_t{1000}}) {
        CAPTURE(initial);
        auto const phases = run<Algorithm>(when_full, sc, initial, length);
        REQUIRE(phases.size() == 4);
        for (std::size_t i = 0; i < phases.size(); ++i) {
            auto const& r = phases[i];
            CAPTURE(i); // 0: from the start, 1: after a halving, 2 and 3: after a doubling
            CHECK(r.settled);
            CHECK(r.round_trips <= 50);
            CHECK(r.goodput >= 0.9);
        }
    }
}

constexpr auto rejects = backend::overload::rejects;
constexpr auto queues = backend::overload::queues;

// For few slots the mean of the calls of a round trip is noise with more jitter than that.
constexpr std::array scenarios{scenario{10, 0, 1},   scenario{40, 0, 1},   scenario{100, 0, 1},
                               scenario{10, 0.1, 1}, scenario{40, 0.2, 1}, scenario{100, 0.2, 1}};

} // namespace

TEST_CASE("AIMD settles where what is too much is rejected") {
    for (auto const& sc : scenarios) {
        settles<fanout::aimd>(rejects, sc);
    }
}

TEST_CASE("Gradient2 settles where what is too much is rejected") {
    for (auto const& sc : scenarios) {
        settles<fanout::gradient2>(rejects, sc);
    }
}

TEST_CASE("Vegas settles where what is too much queues") {
    for (auto const& sc : scenarios) {
        settles<fanout::vegas>(queues, sc);
    }
}

TEST_CASE("Gradient2 settles where what is too much queues") {
    for (auto const& sc : scenarios) {
        settles<fanout::gradient2>(queues, sc);
    }
}

TEST_CASE("none drifts away in 5,000 round trips") {
    settles<fanout::aimd>(rejects, {10, 0, 1}, 5000);
    settles<fanout::gradient2>(rejects, {10, 0, 1}, 5000);
    settles<fanout::vegas>(queues, {10, 0, 1}, 5000);
    settles<fanout::gradient2>(queues, {10, 0, 1}, 5000);
}

TEST_CASE("where nothing is rejected, AIMD ends at its maximum") {
    auto const phases = run<fanout::aimd>(queues, {40, 0, 1}, 1, 300);
    CHECK_FALSE(phases.front().settled);
}
