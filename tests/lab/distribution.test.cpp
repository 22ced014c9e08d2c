// SPDX-License-Identifier: BSL-1.0
#include "../../benchmarks/lab/distribution.hpp"

#include "../../benchmarks/lab/hashed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using lab::distribution;
using lab::distribution_of;
using lab::duration;

namespace {

// Drawn by every pair of numbers of a grid, in order.
std::vector<duration> grid(distribution const& d, std::size_t n = 400) {
    std::vector<duration> out;
    auto const at = [n](std::size_t i) { return (static_cast<double>(i) + 0.5) / static_cast<double>(n); };
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k)
            out.push_back(d.drawn(at(i), at(k)));
    std::ranges::sort(out);
    return out;
}

double milliseconds(duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double mean(std::vector<duration> const& all) {
    double sum = 0;
    for (auto const d : all)
        sum += milliseconds(d);
    return sum / static_cast<double>(all.size());
}

double quantile(std::vector<duration> const& all, double q) {
    return milliseconds(all[static_cast<std::size_t>(q * static_cast<double>(all.size()))]);
}

} // namespace

TEST_CASE("a constant time is always the same") {
    distribution const d = distribution::constant{10ms};
    CHECK(d.drawn(0, 0) == 10ms);
    CHECK(d.drawn(0.999, 0.5) == 10ms);
    CHECK(d.mean() == 10ms);
}

TEST_CASE("exponential times have their mean, and their quantiles") {
    auto const all = grid(distribution::exponential{10ms});
    CHECK(mean(all) == doctest::Approx(10).epsilon(0.01));
    CHECK(quantile(all, 0.5) == doctest::Approx(10 * std::numbers::ln2).epsilon(0.01));
    CHECK(quantile(all, 0.9) == doctest::Approx(10 * std::log(10)).epsilon(0.01));
}

TEST_CASE("log-normal times have their mean, and their quantiles") {
    auto const all = grid(distribution::log_normal{540ms, 0.5});
    CHECK(mean(all) == doctest::Approx(540).epsilon(0.01));
    auto const median = 540 * std::exp(-0.125);
    CHECK(quantile(all, 0.5) == doctest::Approx(median).epsilon(0.01));
    CHECK(quantile(all, 0.8413) == doctest::Approx(median * std::exp(0.5)).epsilon(0.01));
    CHECK(quantile(all, 0.1587) == doctest::Approx(median * std::exp(-0.5)).epsilon(0.01));
}

TEST_CASE("a log-normal time of sigma 0 is its mean") {
    CHECK(distribution(distribution::log_normal{540ms, 0}).drawn(0.99, 0.1) == 540ms);
}

TEST_CASE("measured times are drawn as often as they were measured, within their buckets") {
    auto times = std::make_shared<lab::measured>();
    times->add({1ms, 2ms, 90});
    times->add({50ms, 60ms, 10});
    auto const all = grid(distribution::as_measured{times});
    auto const fast = std::ranges::count_if(all, [](duration d) { return d < 2ms; });
    CHECK(static_cast<double>(fast) / static_cast<double>(all.size()) == doctest::Approx(0.9).epsilon(0.01));
    CHECK(all.front() >= 1ms);
    CHECK(all.back() < 60ms);
    CHECK(std::ranges::none_of(all, [](duration d) { return d >= 2ms && d < 50ms; }));
}

TEST_CASE("no draw is negative, and the tail ends at an hour") {
    for (auto const& d :
         {distribution(distribution::exponential{1h}), distribution(distribution::log_normal{1h, 5})})
        for (auto const u : {0.0, 0.5, 0x1.fffffffffffffp-1})
            for (auto const v : {0.0, 0.5, 0x1.fffffffffffffp-1}) {
                CHECK(d.drawn(u, v) >= 0s);
                CHECK(d.drawn(u, v) <= 1h);
            }
}

TEST_CASE("the article's times: 1,000 one after another take 9 minutes, the slowest of them 1 second") {
    distribution const d = distribution::log_normal{538ms, 0.19};
    duration sum{}, slowest{};
    for (std::uint64_t i = 0; i < 1000; ++i) {
        auto const took = d.drawn(lab::hashed({1, i, 1, 0}), lab::hashed({1, i, 1, 1})) + 2ms;
        sum += took;
        slowest = (std::max)(slowest, took);
    }
    CHECK(milliseconds(sum) == doctest::Approx(540'000).epsilon(0.1));
    CHECK(milliseconds(slowest) == doctest::Approx(1000).epsilon(0.1));
}

TEST_CASE("hashed numbers fill [0, 1) evenly, and are the same everywhere") {
    std::array<std::size_t, 10> tenths{};
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        auto const n = lab::hashed({7, i, 1, 0});
        REQUIRE(n >= 0);
        REQUIRE(n < 1);
        ++tenths[static_cast<std::size_t>(n * 10)];
    }
    for (auto const n : tenths) {
        CHECK(n > 9'600);
        CHECK(n < 10'400);
    }
    CHECK(lab::hashed({1, 2, 3, 4}) == 0x1.9b6192ae5e6p-3);
    CHECK(lab::hashed({1, 2}) != lab::hashed({2, 1}));
}

TEST_CASE("a service time is told by its name") {
    CHECK(distribution_of("constant:250us").mean() == 250us);
    CHECK(distribution_of("exponential:1.5s").mean() == 1500ms);
    CHECK(distribution_of("log-normal:540ms:0.2").text() == "540 ms on average, log-normal of sigma 0.2");
}

TEST_CASE("what is no service time is refused, and the complaint says what is one") {
    for (auto const* wrong :
         {"", "constant", "constant:", "constant:10", "constant:0ms", "constant:-1ms", "constant:10ms:1",
          "constant:10msx", "constant:2h", "constant:nanms", "gauss:10ms", "log-normal:540ms",
          "log-normal:540ms:", "log-normal:540ms:-1", "log-normal:540ms:nan", "log-normal:540ms:6",
          "measured", "measured:", " constant:10ms"}) {
        CAPTURE(wrong);
        CHECK_THROWS_WITH_AS(distribution_of(wrong),
                             doctest::Contains("log-normal:540ms:0.2 or measured:FILE"),
                             std::invalid_argument);
    }
    CHECK_THROWS_WITH(distribution_of("measured:/there/is/none"), doctest::Contains("/there/is/none"));
}
