// SPDX-License-Identifier: BSL-1.0
#include "../../benchmarks/lab/recommendation.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <vector>

using namespace lab;
using namespace std::chrono_literals;
using indices = std::vector<std::size_t>;

namespace {

run_result result(char const* name, std::chrono::nanoseconds wall, std::size_t fulfilled = 1000,
                  std::size_t attempts = 1000, std::chrono::nanoseconds p99 = 10ms) {
    run_result r;
    r.how.admit = admission_of(name);
    r.inputs = 1000;
    r.wall = wall;
    r.fulfilled = fulfilled;
    r.rejected = 1000 - fulfilled;
    r.attempts = attempts;
    r.p99 = p99;
    return r;
}

} // namespace

TEST_CASE("the fastest of those that fulfil all") {
    auto const r =
        recommend({result("sequential", 100s), result("window:64", 10s), result("window:32", 13s)});
    CHECK(r.best == indices{1});
    CHECK(r.text ==
          "Use window:64: it fulfils all 1,000 inputs in 10 s; the next, window:32, takes 30 % longer.");
}

TEST_CASE("an input that is lost outweighs any time") {
    auto const r = recommend({result("unlimited", 1s, 999), result("sequential", 100s)});
    CHECK(r.best == indices{1});
    CHECK(r.text ==
          "Use sequential: it fulfils all 1,000 inputs in 1 min 40 s; unlimited does not fulfil 1.");
}

TEST_CASE("the worst of several that lose inputs is named") {
    auto const r =
        recommend({result("unlimited", 1s, 200), result("window:500", 2s, 990), result("window:8", 10s)});
    CHECK(r.best == indices{2});
    CHECK(r.text ==
          "Use window:8: it fulfils all 1,000 inputs in 10 s; 2 of the 3 strategies do not fulfil as many, "
          "least of all unlimited, which leaves 800.");
}

TEST_CASE("of the equally fast, the one that asks less of the backend") {
    auto const r = recommend({result("unlimited", 10s, 1000, 3000), result("window:64", 10'200ms)});
    CHECK(r.best == indices{1});
    CHECK(r.text ==
          "Use window:64: it fulfils all 1,000 inputs in 10.2 s; unlimited is as fast, but makes 3.00 "
          "attempts per input, not 1.00.");
}

TEST_CASE("of those that ask the same, the one whose calls do not wait") {
    auto const r = recommend({result("unlimited", 10s, 1000, 1000, 9s), result("window:64", 10'200ms)});
    CHECK(r.best == indices{1});
    CHECK(r.text ==
          "Use window:64: it fulfils all 1,000 inputs in 10.2 s; unlimited is as fast, but the p99 of a "
          "child is 9 s, not 10 ms.");
}

TEST_CASE("it says where the numbers do not separate the strategies") {
    auto const r =
        recommend({result("sequential", 100s), result("window:64", 10'300ms), result("adaptive:vegas", 10s)});
    CHECK(r.best == indices{2, 1});
    CHECK(r.text ==
          "Use any of adaptive:vegas and window:64, which these numbers do not separate (less than 5 % lies "
          "between them): the fastest fulfils all 1,000 inputs in 10 s; the next, sequential, takes 10 "
          "times as long.");
}

TEST_CASE("5 % is the border") {
    CHECK(recommend({result("window:1", 10s), result("window:2", 10'499ms)}).best == indices{0, 1});
    CHECK(recommend({result("window:1", 10s), result("window:2", 10'501ms)}).best == indices{0});
}

TEST_CASE("where none fulfils all, those that fulfil the most; a hundredth more or less is chance") {
    auto const r = recommend(
        {result("unlimited", 1s, 300), result("window:64", 10s, 950), result("window:32", 5s, 945)});
    CHECK(r.best == indices{2});
    CHECK(r.text ==
          "Use window:32: it fulfils 945 of 1,000 inputs (94.5 %) in 5 s, and none fulfils all; the next, "
          "window:64, takes 2 times as long; unlimited does not fulfil 700.");
}

TEST_CASE("one input more is no chance where it makes all") {
    CHECK(recommend({result("window:64", 10s, 999), result("window:32", 50s)}).best == indices{1});
}

TEST_CASE("what was interrupted does not count") {
    auto cut = result("window:64", 1s);
    cut.interrupted = true;
    CHECK(recommend({cut, result("sequential", 100s), result("window:8", 20s)}).best == indices{2});
}

TEST_CASE("there is no recommendation where there is nothing to compare, or nothing was fulfilled") {
    CHECK(recommend({}).best.empty());
    CHECK(recommend({result("window:64", 1s)}).best.empty());
    auto const none = recommend({result("window:64", 1s, 0), result("window:8", 1s, 0)});
    CHECK(none.best.empty());
    CHECK(none.text == "None of these strategies fulfils a single input.");
}
