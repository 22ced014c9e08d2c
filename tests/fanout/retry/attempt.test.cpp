// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/pool.hpp>
#include <fanout/retry/attempt.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
using attempt = fanout::basic_attempt<manual_clock>;
constexpr fanout::retry_policy<fanout::constant> three_attempts{.max_attempts = 3,
                                                                .backoff = {.interval = 1s}};

} // namespace

TEST_CASE("a factory sees the number of the attempt, and a token that stays the same for its input") {
    asio::io_context ctx(1);
    std::map<int, std::vector<std::uint32_t>> numbers;
    std::map<int, std::set<std::string>> tokens;
    // The attempt outlives the child's first suspension, though it is taken by reference.
    auto child = [&](int i, attempt const& a) -> asio::awaitable<void> {
        co_await turn();
        numbers[i].push_back(a.number);
        tokens[i].insert(a.token.to_string());
        if (a.number <= static_cast<std::uint32_t>(i)) {
            throw std::runtime_error("again");
        }
    };
    auto const call = [&] {
        auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 300), child, three_attempts, times{},
                                                    fanout::limit(7)));
        for (int i = 0; i < 4; ++i) {
            manual_clock::advance(1s, ctx);
        }
        REQUIRE(r->done);
    };
    call();
    CHECK(numbers[0] == std::vector<std::uint32_t>{1});
    CHECK(numbers[1] == std::vector<std::uint32_t>{1, 2});
    CHECK(numbers[299] == std::vector<std::uint32_t>{1, 2, 3});
    std::set<std::string> all;
    for (auto const& [i, of_input] : tokens) {
        CHECK(of_input.size() == 1);
        all.insert(of_input.begin(), of_input.end());
    }
    CHECK(all.size() == 300);
    call(); // another call has other tokens
    CHECK(tokens[17].size() == 2);
}

TEST_CASE("the text of a token is a UUID of version 8") {
    fanout::detail::token_source source;
    source.seed();
    auto const text = source.of(3).to_string();
    REQUIRE(text.size() == 36);
    for (std::size_t const dash : {8U, 13U, 18U, 23U}) {
        CHECK(text[dash] == '-');
    }
    CHECK(text[14] == '8');
    CHECK(std::string("89ab").find(text[19]) != std::string::npos);
    CHECK(source.of(3) == source.of(3));
    // Neighbours, and inputs beyond 32 bits, are told apart.
    std::set<fanout::idempotency_token> several;
    for (std::size_t const i : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256},
                                std::size_t{0xffffffff}, std::size_t{0x100000000}}) {
        several.insert(source.of(i));
    }
    CHECK(several.size() == 6);
}

TEST_CASE("the deadline of an attempt is its own time limit or that of the call, whichever comes first") {
    asio::io_context ctx(1);
    auto const start = manual_clock::now();
    std::vector<std::optional<std::chrono::nanoseconds>> deadlines;
    auto child = [&](int, attempt const& a) -> asio::awaitable<void> {
        deadlines.push_back(a.deadline ? std::optional(*a.deadline - start) : std::nullopt);
        CHECK((a.deadline ? a.time_left() == *a.deadline - manual_clock::now() : !a.time_left()));
        co_await turn();
        throw std::runtime_error("again");
    };
    auto const call = [&](times const& t) {
        deadlines.clear();
        auto const begun = manual_clock::now() - start;
        auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), child, three_attempts, t));
        poll(ctx);
        for (int i = 0; i < 3; ++i) {
            manual_clock::advance(1s, ctx);
        }
        REQUIRE(r->done);
        for (auto& d : deadlines) {
            d = d ? std::optional(*d - begun) : std::nullopt;
        }
    };
    call({});
    CHECK(deadlines == std::vector<std::optional<std::chrono::nanoseconds>>(3));
    call({.attempt_timeout = 5s, .deadline = std::nullopt});
    CHECK(deadlines == std::vector<std::optional<std::chrono::nanoseconds>>{5s, 6s, 7s});
    call({.attempt_timeout = 5s, .deadline = 5500ms});
    CHECK(deadlines == std::vector<std::optional<std::chrono::nanoseconds>>{5s, 5500ms, 5500ms});
}

TEST_CASE("callables without input, and factories with a resource, may take the attempt, too") {
    asio::io_context ctx(1);
    std::vector<std::uint32_t> numbers;
    auto takes = [&numbers](attempt const& a) -> asio::awaitable<int> {
        numbers.push_back(a.number);
        co_await turn();
        if (a.number == 1) {
            throw std::runtime_error("again");
        }
        co_return 1;
    };
    auto plain = []() -> asio::awaitable<int> { co_return 2; };
    auto variadic = launch(ctx, fanout::retry_rejected(takes, plain, three_attempts, times{}));
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(variadic->done);
    CHECK(std::move(*variadic->value).values() == std::tuple(1, 2));

    std::vector<std::function<asio::awaitable<int>(attempt const&)>> factories{takes, takes};
    auto range = launch(ctx, fanout::retry_rejected(factories, three_attempts, times{}));
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(range->done);
    CHECK(range->value->attempts == std::vector<std::uint32_t>{2, 2});

    fanout::pool<int> resources(1, []() -> asio::awaitable<int> { co_return 5; });
    auto with_resource = [&](int i, int& resource, attempt const& a) -> asio::awaitable<int> {
        co_await turn();
        co_return i + resource + static_cast<int>(a.number);
    };
    auto pooled = launch(ctx, fanout::when_all(std::views::iota(0, 2), with_resource, resources, times{}));
    poll(ctx);
    REQUIRE(pooled->done);
    CHECK(*pooled->value == std::vector<int>{6, 7});
    CHECK(numbers == std::vector<std::uint32_t>{1, 2, 1, 1, 2, 2});
}
