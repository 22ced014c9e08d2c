// SPDX-License-Identifier: BSL-1.0

// What once was wrong in retries.

#include <fanout/limit/keyed.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/retry.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace test;

namespace {

using times = fanout::basic_options<manual_clock>;
using outcome = fanout::settled<int>;
using child_function = std::function<asio::awaitable<int>(int)>;
constexpr fanout::retry_policy<fanout::constant> three_attempts{.max_attempts = 3,
                                                                .backoff = {.interval = 1s}};

child_function always_fails(int& calls) {
    return [&calls](int) -> asio::awaitable<int> {
        ++calls;
        throw std::runtime_error("number " + std::to_string(calls));
        co_return 0;
    };
}

std::string text_of(std::exception_ptr const& e) { return fanout::detail::what_of({}, e); }

} // namespace

TEST_CASE("a source that throws: what sleeps gives its cost back to the budget") {
    asio::io_context ctx(1);
    int calls = 0;
    fanout::token_budget budget({.tokens = 100});
    auto source = std::views::iota(0, 3) | std::views::transform([](int i) {
                      if (i == 2) {
                          throw std::runtime_error("source");
                      }
                      return i;
                  });
    auto r = launch(ctx, fanout::retry_rejected(source, always_fails(calls), three_attempts, times{}, budget,
                                                fanout::limit(1)));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->message() == "source");
    CHECK(calls == 2);
    CHECK(budget.tokens() == 100);
}

TEST_CASE(
    "a function of the caller that cancels, though it must not: the fan-out ends, and nothing more starts") {
    enum class who { hint, weight, weight_in_line, key };
    for (auto const cancels : {who::hint, who::weight, who::weight_in_line, who::key}) {
        int calls = 0;
        asio::cancellation_signal stop;
        fanout::semaphore shared(4);
        auto held =
            cancels == who::weight_in_line ? shared.try_acquire(2) : decltype(shared.try_acquire(2))();
        asio::io_context ctx(1);
        fanout::token_budget budget({.tokens = 100});
        auto const cancel = [&](bool now) {
            if (now) {
                stop.emit(asio::cancellation_type::terminal);
            }
        };
        auto const finished = [&](auto op) {
            auto r = launch(ctx, std::move(op), stop.slot());
            try {
                fanout::testing::run(ctx);
            } catch (std::logic_error const&) { // it would wait for ever
            }
            return r->done;
        };
        auto const range = std::views::iota(0, 3);
        if (cancels == who::hint) {
            auto hint = [&](outcome const&) {
                cancel(true);
                return std::optional<std::chrono::seconds>();
            };
            CHECK(finished(fanout::retry_rejected(range, always_fails(calls), three_attempts, times{}, budget,
                                                  fanout::limit(1), fanout::delay_hint(hint))));
            CHECK(calls == 1);
        } else if (cancels == who::key) {
            auto key = [&](int i) {
                cancel(i == 1);
                return 0;
            };
            CHECK(finished(fanout::retry_rejected(range, always_fails(calls), three_attempts, times{}, budget,
                                                  fanout::keyed(1, key))));
            CHECK(calls <= 1);
        } else {
            auto weight = [&](int i) {
                cancel(i == 1);
                return std::size_t{3};
            };
            CHECK(finished(fanout::retry_rejected(range, always_fails(calls), three_attempts, times{}, budget,
                                                  fanout::weighted(shared, weight))) ==
                  (cancels == who::weight));
            CHECK(calls <= 1);
            if (cancels ==
                who::weight_in_line) { // input 0 still stands in line; then input 1 is asked for its weight
                held = {};
                ctx.restart();
                fanout::testing::run(ctx);
                CHECK(calls <= 1);
            }
        }
        CHECK(budget.tokens() == 100);
    }
}

TEST_CASE("a named retry_if or on_retry is copied: it serves two calls, and may be const") {
    auto const worth =
        fanout::retry_if(std::function<bool(outcome const&)>([](auto const&) { return true; }));
    int told = 0;
    std::function<void(fanout::retry_event const&, outcome const&)> note = [&told](auto const&, auto const&) {
        ++told;
    };
    auto notice = fanout::on_retry(note);
    int calls = 0;
    for (int call = 0; call < 2; ++call) {
        asio::io_context ctx(1);
        auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), always_fails(calls),
                                                    three_attempts, worth, notice, times{}));
        fanout::testing::run(ctx);
        REQUIRE(r->done);
    }
    CHECK(calls == 6);
    CHECK(told == 4);
}

TEST_CASE("retry_if is asked where there is an attempt left, and not after the last") {
    asio::io_context ctx(1);
    int calls = 0;
    int asked = 0;
    auto worth = [&asked](outcome const&) { return ++asked > 0; };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), always_fails(calls), three_attempts,
                                                fanout::retry_if(worth), times{}));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(calls == 3);
    CHECK(asked == 2);
}

TEST_CASE("a time before the clock's epoch does not overflow") {
    auto const now = std::exchange(manual_clock::current, manual_clock::time_point(-1h));
    asio::io_context ctx(1);
    int calls = 0;
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), always_fails(calls), three_attempts,
                                                times{.attempt_timeout = manual_clock::duration::max(),
                                                      .deadline = manual_clock::duration::max()}));
    fanout::testing::run(ctx);
    CHECK(r->done);
    CHECK(calls == 3);
    manual_clock::current = now;
}

TEST_CASE("a factory that may go without the attempt gets it: by default, overloaded, generic") {
    using about = fanout::basic_attempt<manual_clock>;
    asio::io_context ctx(1);
    std::vector<std::uint32_t> numbers;
    auto with_default = [&](int, about const& a = {}) -> asio::awaitable<int> {
        numbers.push_back(a.number);
        CHECK(a.token != fanout::idempotency_token());
        if (a.number < 3) {
            throw std::runtime_error("again");
        }
        co_return 1;
    };
    auto r =
        launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), with_default, three_attempts, times{}));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(numbers == std::vector<std::uint32_t>{1, 2, 3});
}

TEST_CASE("inputs that are callables themselves may have a factory") {
    asio::io_context ctx(1);
    int calls = 0;
    std::vector<std::function<asio::awaitable<int>()>> jobs(
        3, [&calls]() -> asio::awaitable<int> { co_return ++calls; });
    auto r = launch(ctx, fanout::retry_rejected(jobs, [](auto& job) { return job(); }, times{}));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->value->values() == std::vector<int>{1, 2, 3});
}

namespace {

/// A value whose moves throw from the given one on.
struct restless {
    explicit restless(int moves) : left(moves) {}
    restless(restless&& other) : left(other.left - 1) {
        if (left < 0) {
            throw std::runtime_error("move");
        }
    }
    int left;
};

} // namespace

TEST_CASE("the first error is kept where a later attempt's value cannot be moved to its place") {
    for (int moves = 0; moves < 8; ++moves) { // wherever it is that the move throws
        asio::io_context ctx(1);
        int calls = 0;
        auto child = [&](int) -> asio::awaitable<restless> {
            if (++calls == 1) {
                throw std::runtime_error("first");
            }
            co_return restless(moves);
        };
        auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), child,
                                                    fanout::retry_policy<fanout::constant>{.max_attempts = 2},
                                                    times{}));
        fanout::testing::run(ctx);
        REQUIRE(r->done);
        if (r->value && !r->value->failures().empty()) {
            CHECK(text_of(r->value->failures()[0].first_exception) == "first");
            CHECK(text_of(r->value->failures()[0].exception) == "move");
        }
    }
}
