// SPDX-License-Identifier: BSL-1.0
#include "../../benchmarks/lab/chapter.hpp"
#include "../../benchmarks/lab/report.hpp"
#include "../../benchmarks/lab/simulate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace lab;
using namespace std::chrono_literals;

namespace {

backend_options small_backend() {
    backend_options o;
    o.service = distribution::log_normal{10ms, 0.3};
    o.capacity = 20;
    return o;
}

strategy strategy_of(char const* admit, char const* retry = "none", char const* budget = "none") {
    return {admission_of(admit), retrying_of(retry), budgeting_of(budget)};
}

workload inputs(std::size_t n) {
    workload w;
    w.inputs = n;
    return w;
}

run_result run(char const* admit, backend_options const& backend, std::size_t n = 300) {
    return simulate(strategy_of(admit), inputs(n), backend);
}

constexpr char const* all_admissions[] = {"sequential",    "unlimited",      "window:8",          "rate:500",
                                          "adaptive:aimd", "adaptive:vegas", "adaptive:gradient2"};
constexpr char const* all_retries[] = {"none", "constant:3", "exponential:3", "decorrelated:3", "polly:3"};
constexpr char const* all_budgets[] = {"none", "token", "ratio:0.1"};

std::string json_of(run_result const& r) {
    std::ostringstream out;
    told_chapter told{"a title", "conditions", {}, {r}, {}, {}, {}};
    write_json(out, {told}, 1, false, "");
    return out.str();
}

} // namespace

TEST_CASE("each strategy has a name from which it can be read again") {
    for (auto const* admit : all_admissions)
        CHECK(admission_of(admit).name() == admit);
    for (auto const* retry : all_retries)
        CHECK(retrying_of(retry).name() == retry);
    for (auto const* budget : all_budgets)
        CHECK(budgeting_of(budget).name() == budget);
    CHECK(retrying_of("polly").name() == "polly:4");
    CHECK(budgeting_of("ratio").name() == "ratio:0.2");
    CHECK(strategy_of("window:8").name() == "window:8");
    CHECK(strategy_of("window:8", "constant:3", "token").name() == "window:8 constant:3 token");
}

TEST_CASE("what names no strategy is refused") {
    for (auto const* wrong :
         {"", "window", "window:", "window:0", "window:-1", "window:1000001", "window:8x", "rate:0",
          "rate:inf", "rate:1e7", "adaptive", "adaptive:", "sequential:1", "Unlimited", "aimd"}) {
        CAPTURE(wrong);
        CHECK_THROWS_WITH_AS(admission_of(wrong), doctest::Contains("adaptive:gradient2"),
                             std::invalid_argument);
    }
    for (auto const* wrong :
         {"", "none:1", "constant:", "constant:0", "polly:1001", "exponential:2.5", "fibonacci"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(retrying_of(wrong), std::invalid_argument);
    }
    for (auto const* wrong : {"", "token:1", "ratio:", "ratio:-1", "ratio:nan", "ratio:101"}) {
        CAPTURE(wrong);
        CHECK_THROWS_AS(budgeting_of(wrong), std::invalid_argument);
    }
}

TEST_CASE("whatever the strategy, every input ends once, and the same seed gives the same bytes") {
    auto backend = small_backend();
    backend.errors = 0.1;
    backend.throttle = 1500;
    backend.burst = 10;
    backend.connections = 200;
    auto work = inputs(300);
    work.deadline = 400ms;
    work.attempt_timeout = 25ms;
    for (auto const* admit : all_admissions)
        for (auto const* retry : all_retries)
            for (auto const* budget : all_budgets) {
                auto const how = strategy_of(admit, retry, budget);
                CAPTURE(how.name());
                auto const r = simulate(how, work, backend);
                CHECK(r.how == how);
                CHECK(r.fulfilled + r.rejected + r.not_started == 300);
                CHECK(r.fulfilled > 0);
                CHECK(r.wall <= 400ms);
                CHECK(r.attempts >= r.fulfilled + r.rejected);
                CHECK(r.attempts <= 3 * 300);
                CHECK_FALSE(r.interrupted);
                CHECK(json_of(r) == json_of(simulate(how, work, backend)));
            }
}

TEST_CASE("another seed gives other figures") {
    auto backend = small_backend();
    auto const first = json_of(run("window:8", backend));
    backend.seed = 2;
    CHECK(json_of(run("window:8", backend)) != first);
}

TEST_CASE("one after another takes the sum, all at once the longest") {
    backend_options backend;
    backend.service = distribution::constant{10ms};
    backend.network = 2ms;
    auto const sequential = run("sequential", backend);
    CHECK(sequential.wall == 300 * 12ms);
    CHECK(sequential.peak_in_flight == 1);
    CHECK(sequential.mean_in_flight == doctest::Approx(1));
    auto const unlimited = run("unlimited", backend);
    CHECK(unlimited.wall == 12ms);
    CHECK(unlimited.peak_in_flight == 300);
    CHECK(unlimited.goodput() == doctest::Approx(25'000));
    CHECK(unlimited.p50 >= 11'900us);
    CHECK(unlimited.p99 <= 12'100us);
}

TEST_CASE("a window is full, and never fuller") {
    auto const r = run("window:8", small_backend());
    CHECK(r.peak_in_flight == 8);
    CHECK(r.mean_in_flight > 7.5);
    CHECK(r.is_complete());
}

TEST_CASE("a rate is kept") {
    auto const r = run("rate:500", small_backend());
    CHECK(r.wall >= 598ms); // 299 after the first, each 2 ms later
    CHECK(r.wall < 650ms);
}

TEST_CASE("an adaptive limit stays below the most that it may be") {
    for (auto const* admit : {"adaptive:aimd", "adaptive:vegas", "adaptive:gradient2"}) {
        auto work = inputs(2000);
        work.most_in_flight = 12;
        CAPTURE(admit);
        CHECK(simulate(strategy_of(admit), work, small_backend()).peak_in_flight <= 12);
    }
}

TEST_CASE("an adaptive limit is told what is throttled: less is than in a window that is too large") {
    auto backend = small_backend();
    backend.capacity = 0;
    backend.throttle = 500;
    backend.burst = 50;
    auto const adaptive = simulate(strategy_of("adaptive:aimd"), inputs(3000), backend);
    auto const window = simulate(strategy_of("window:64"), inputs(3000), backend);
    CHECK(adaptive.overloads < window.overloads / 2);
    CHECK(adaptive.fulfilled > 2 * window.fulfilled);
}

TEST_CASE("where all fails, each policy makes its attempts, and a budget bounds them") {
    auto backend = small_backend();
    backend.errors = 1;
    for (auto const* admit : {"sequential", "window:8"}) {
        CAPTURE(admit);
        for (auto const* retry : {"constant:3", "exponential:3", "decorrelated:3", "polly:3"})
            CHECK(simulate(strategy_of(admit, retry), inputs(200), backend).attempts == 600);
        CHECK(simulate(strategy_of(admit, "none"), inputs(200), backend).attempts == 200);
        CHECK(simulate(strategy_of(admit, "polly:3", "token"), inputs(200), backend).attempts == 235);
    }
    // 100 are always allowed, in 10 s.
    auto const ratio = simulate(strategy_of("window:8", "exponential:3", "ratio:0.1"), inputs(200), backend);
    CHECK(ratio.attempts == 320);
}

TEST_CASE("retries fulfil what fails now and then") {
    auto backend = small_backend();
    backend.errors = 0.2;
    for (auto const* retry : {"constant:20", "exponential:20", "decorrelated:20", "polly:20"}) {
        CAPTURE(retry);
        auto const r = simulate(strategy_of("window:8", retry), inputs(300), backend);
        CHECK(r.is_complete());
        CHECK(r.attempts_per_input() == doctest::Approx(1.25).epsilon(0.1));
    }
    CHECK_FALSE(simulate(strategy_of("window:8"), inputs(300), backend).is_complete());
}

TEST_CASE("a deadline leaves what has not begun, in a loop too") {
    auto work = inputs(1000);
    work.deadline = 1s;
    for (auto const* admit : {"sequential", "window:8"}) {
        CAPTURE(admit);
        auto const r = simulate(strategy_of(admit), work, small_backend());
        CHECK(r.wall == 1s);
        CHECK(r.not_started > 0);
        CHECK(r.rejected <= 8); // those under way
    }
}

TEST_CASE("the times of attempts that are turned away do not count for p50 and p99") {
    backend_options backend;
    backend.service = distribution::constant{10ms};
    backend.throttle = 10;
    auto const r = run("unlimited", backend);
    CHECK(r.fulfilled == 1);
    CHECK(r.overloads == 299);
    CHECK(r.p50 >= 10ms);
}

TEST_CASE("presets have names of their own, and strategies to compare, each once") {
    std::set<std::string> names;
    for (auto const& p : presets()) {
        CHECK(names.insert(p.name).second);
        REQUIRE_FALSE(p.chapters.empty());
        for (auto const& c : p.chapters) {
            std::set<std::string> strategies;
            for (auto const& s : c.strategies)
                CHECK(strategies.insert(s.name()).second);
            CHECK(strategies.size() >= 2);
            for (auto const& told : c.to_compare)
                CHECK(strategies.count(told.strategy) == 1);
        }
    }
    CHECK(names.count("article") == 1);
}

TEST_CASE("each admission is combined with each policy and each budget; a budget needs retries") {
    auto const all = combined({admission_of("unlimited"), admission_of("window:8")},
                              {retrying_of("none"), retrying_of("polly:4")},
                              {budgeting_of("none"), budgeting_of("token")});
    std::vector<std::string> names;
    std::ranges::transform(all, std::back_inserter(names), [](strategy const& s) { return s.name(); });
    CHECK(names == std::vector<std::string>{"unlimited", "window:8", "unlimited polly:4", "window:8 polly:4",
                                            "unlimited polly:4 token", "window:8 polly:4 token"});
}

TEST_CASE("the plot joins windows, from the loop on, and marks the others") {
    auto const backend = small_backend();
    std::vector<run_result> const results{run("window:8", backend), run("sequential", backend),
                                          run("unlimited", backend), run("adaptive:vegas", backend)};
    auto const points = points_of(results);
    REQUIRE(points.size() == 4);
    CHECK(points[0].series == "window");
    CHECK(points[0].limit == 8);
    CHECK(points[1].series == "window");
    CHECK(points[1].limit == 1);
    CHECK(points[2].series.empty());
    CHECK(points[2].limit == 300);
    CHECK(points[3].series.empty());
    CHECK(points[3].name == "adaptive:vegas");
    CHECK(points[3].limit == doctest::Approx(results[3].mean_in_flight));
}
