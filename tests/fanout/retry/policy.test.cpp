// SPDX-License-Identifier: BSL-1.0

#include <fanout/retry/policy.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
using outcome = fanout::settled<int>;
using hint_function = std::function<std::optional<std::chrono::seconds>(outcome const&)>;
using notice_function = std::function<void(fanout::retry_event const&, outcome const&)>;

constexpr fanout::retry_policy<fanout::constant> attempts_of(std::uint32_t n) {
    return {.max_attempts = n, .backoff = {.interval = 1s}};
}

/// A call that is rejected so many times, and the sleeps between its attempts.
struct sleeps {
    asio::io_context ctx{1};
    std::vector<std::chrono::nanoseconds> slept{};
    std::vector<std::chrono::nanoseconds> at{};
    std::vector<std::string> notices{};
    int failures = 3;

    auto call(hint_function hint, times const& t = {}, std::chrono::nanoseconds at_most = 5min) {
        auto child = [this](int i) -> asio::awaitable<int> {
            co_await turn();
            if (--failures >= 0) {
                throw std::runtime_error("failure " + std::to_string(failures));
            }
            co_return i;
        };
        notice_function note = [this](fanout::retry_event const& e, outcome const& o) {
            slept.push_back(e.delay);
            at.push_back(e.at);
            try {
                (void)o.value();
            } catch (std::exception const& x) {
                notices.push_back('#' + std::to_string(e.index) + ' ' + std::to_string(e.attempt) + ' ' +
                                  x.what());
            }
        };
        return launch(ctx, fanout::retry_rejected(std::views::iota(7, 8), fanout::named(std::move(child)),
                                                  attempts_of(4), t,
                                                  fanout::delay_hint(fanout::named(std::move(hint)), at_most),
                                                  fanout::on_retry(fanout::named(std::move(note)))));
    }
};

} // namespace

TEST_CASE(
    "a hint replaces the computed delay; without one the backoff counts; on_retry is told what was slept") {
    sleeps s;
    auto const begun = manual_clock::now();
    int asked = 0;
    auto r = s.call([&asked](outcome const&) { return ++asked == 2 ? std::optional(90s) : std::nullopt; });
    fanout::testing::run(s.ctx);
    REQUIRE(r->done);
    CHECK(r->value->values() == std::vector<int>{7});
    CHECK(s.slept == std::vector<std::chrono::nanoseconds>{1s, 90s, 1s});
    CHECK(manual_clock::now() - begun == 92s);
    CHECK(s.at == std::vector<std::chrono::nanoseconds>{
                      0s, 1s, 91s}); // from the start, without an observer or a deadline
    CHECK(s.notices == std::vector<std::string>{"#0 1 failure 2", "#0 2 failure 1", "#0 3 failure 0"});
}

TEST_CASE("hints are clamped: not below 0, not above the bound, however large") {
    sleeps s;
    int asked = 0;
    auto r = s.call([&asked](outcome const&) {
        ++asked;
        return std::optional(asked == 1 ? -5s : asked == 2 ? std::chrono::seconds::max() : 0s);
    });
    fanout::testing::run(s.ctx);
    REQUIRE(r->done);
    CHECK(s.slept == std::vector<std::chrono::nanoseconds>{0s, 5min, 0s});

    sleeps bounded;
    auto b = bounded.call([](outcome const&) { return std::optional(10s); }, {}, 2500ms);
    fanout::testing::run(bounded.ctx);
    REQUIRE(b->done);
    CHECK(bounded.slept == std::vector<std::chrono::nanoseconds>(3, 2500ms));
    CHECK_THROWS_AS((void)fanout::delay_hint([](outcome const&) { return 1s; }, -1ns), std::invalid_argument);
}

TEST_CASE("a hint may be a duration of any kind; what is no number is no sleep") {
    outcome const o(boost::outcome_v2::in_place_type<fanout::error_code>, asio::error::try_again);
    CHECK(fanout::delay_hint([](outcome const&) { return 3s; })(o) == 3s);
    CHECK(fanout::delay_hint([](outcome const&) { return std::chrono::duration<double>(0.25); })(o) == 250ms);
    CHECK(fanout::delay_hint([](outcome const&) {
              return std::chrono::duration<double>(std::numeric_limits<double>::infinity());
          })(o) == 5min);
    CHECK(fanout::delay_hint([](outcome const&) {
              return std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN());
          })(o) == 0s);
    CHECK(fanout::delay_hint([](outcome const&) { return std::optional<std::chrono::hours>(); })(o) ==
          std::nullopt);
}

TEST_CASE("a hint that would pass the deadline ends the input at once with its last error; so does one that "
          "throws") {
    sleeps s;
    auto const begun = manual_clock::now();
    auto r = s.call([](outcome const&) { return std::optional(60s); },
                    times{.attempt_timeout = std::nullopt, .deadline = 1min});
    fanout::testing::run(s.ctx);
    REQUIRE(r->done);
    CHECK(manual_clock::now() == begun);
    CHECK(r->value->attempts[0] == 1);
    REQUIRE(r->value->failures().size() == 1);
    CHECK(s.slept.empty());

    sleeps thrown;
    auto t = thrown.call([](outcome const&) -> std::optional<std::chrono::seconds> { throw 1; });
    fanout::testing::run(thrown.ctx);
    REQUIRE(t->done);
    CHECK(t->value->attempts[0] == 1);
}

TEST_CASE("backoffs that make no sense are refused when the call is made") {
    auto child = [](int) { return turn(); };
    auto const refused = [&](auto backoff) {
        CHECK_THROWS_AS(
            (void)fanout::retry_rejected(std::views::iota(0, 1), child,
                                         fanout::retry_policy{.max_attempts = 2, .backoff = backoff}),
            std::invalid_argument);
    };
    refused(fanout::exponential{.base = -1ms});
    refused(fanout::constant{.interval = -1ns});
    refused(fanout::polly_v2{.base = -1s});
}

TEST_CASE("a seeded generator makes the sleeps the same each time, also of a backoff that remembers") {
    std::vector<std::vector<std::chrono::nanoseconds>> runs;
    for (int run = 0; run < 2; ++run) {
        asio::io_context ctx(1);
        std::mt19937_64 seeded(7);
        auto& slept = runs.emplace_back();
        auto note = [&slept](fanout::retry_event const& e, auto const&) { slept.push_back(e.delay); };
        auto child = [](int) -> asio::awaitable<void> {
            co_await turn();
            throw std::runtime_error("no");
        };
        auto r =
            launch(ctx, fanout::retry_rejected(
                            std::views::iota(0, 20), child,
                            fanout::retry_policy{.max_attempts = 5,
                                                 .backoff = fanout::decorrelated{.base = 10ms, .cap = 5s}},
                            times{}, fanout::jitter_from(seeded), fanout::on_retry(note)));
        fanout::testing::run(ctx);
        REQUIRE(r->done);
    }
    CHECK(runs[0].size() == 80);
    CHECK(runs[0] == runs[1]);
    // Each input remembers its own last sleep: none is more than three times the bound of the round before.
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK(runs[0][i] <= 30ms);
        CHECK(runs[0][i] >= 10ms);
    }
}
