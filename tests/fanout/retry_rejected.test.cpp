// SPDX-License-Identifier: BSL-1.0

#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>

#include "../support/harness.hpp"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;

/// A backend whose inputs fail a given number of times.
struct backend {
    std::map<int, int> failures_left;
    std::map<int, int> calls;

    asio::awaitable<int> call(int i) {
        co_await turn();
        ++calls[i];
        if (failures_left[i]-- > 0) {
            throw boost::system::system_error(asio::error::connection_reset, "input " + std::to_string(i));
        }
        co_return 10 * i;
    }
};

constexpr fanout::retry_policy<fanout::constant> three_attempts{.max_attempts = 3,
                                                                .backoff = {.interval = 1s}};

} // namespace

TEST_CASE("only what was rejected runs again, by a new call of the factory") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{1, 1}, {3, 2}};
    auto r =
        launch(ctx, fanout::retry_rejected(
                        std::views::iota(0, 5), [&b](int i) { return b.call(i); }, three_attempts, times{}));
    poll(ctx);
    CHECK_FALSE(r->done);
    manual_clock::advance(1s, ctx);
    CHECK(b.calls == std::map<int, int>{{0, 1}, {1, 2}, {2, 1}, {3, 2}, {4, 1}});
    CHECK_FALSE(r->done);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->value->attempts == std::vector<std::uint32_t>{1, 2, 1, 3, 1});
    CHECK(r->value->retries() == 3);
    CHECK(r->value->failed() == 0);
    CHECK(std::move(*r->value).values() == std::vector<int>{0, 10, 20, 30, 40});
}

TEST_CASE("a limited number of attempts; values() lists every index that failed") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{1, 100}, {3, 100}};
    auto r = launch(ctx, fanout::retry_rejected(
                             std::views::iota(0, 5), [&b](int i) { return b.call(i); }, three_attempts,
                             times{}, fanout::limit(2)));
    poll(ctx);
    for (int i = 0; i < 4; ++i) {
        manual_clock::advance(1s, ctx);
    }
    REQUIRE(r->done);
    CHECK(b.calls[1] == 3);
    CHECK(b.calls[0] == 1);
    CHECK(r->value->outcomes[0].value() == 0);
    CHECK(r->value->outcomes[3].error() == asio::error::connection_reset);
    try {
        r->value->values();
        FAIL("values() must throw");
    } catch (fanout::rejected_error const& e) {
        REQUIRE(e.failures().size() == 2);
        CHECK(e.failures()[0].index == 1);
        CHECK(e.failures()[1].index == 3);
        CHECK(e.failures()[1].attempts == 3);
        CHECK(e.failures()[1].error == asio::error::connection_reset);
        CHECK(e.total() == 5);
        CHECK(std::string(e.what()).find("2 of 5 inputs failed: #1 (3 attempts): input 1") == 0);
    }
}

TEST_CASE("a sleeping retry holds no lane and no permit") {
    asio::io_context ctx(1);
    std::set<int> done;
    auto child = [&done](int i) -> asio::awaitable<void> {
        co_await turn();
        if (i < 16) {
            throw std::runtime_error("for a while");
        }
        done.insert(i);
    };
    fanout::stats st;
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 100), child, three_attempts, times{},
                                                fanout::limit(16), st));
    poll(ctx);
    CHECK(done.size() == 84); // 16 sleepers with limit 16 hold up nobody
    CHECK_FALSE(r->done);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    CHECK(r->done);
    CHECK(st.peak_in_flight() == 16);
    CHECK(st.retried() == 32);
    CHECK(st.rejected() == 16);
    CHECK(st.fulfilled() == 84);
}

TEST_CASE("retry_if decides over the outcome") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{0, 1}, {1, 1}};
    auto child = [&b](int i) -> asio::awaitable<int> {
        if (i == 1) {
            ++b.calls[i];
            throw boost::system::system_error(asio::error::access_denied);
        }
        co_return co_await b.call(i);
    };
    auto transient = [](fanout::settled<int> const& o) { return o.error() == asio::error::connection_reset; };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 2), child, three_attempts,
                                                fanout::retry_if(transient), times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->value->attempts == std::vector<std::uint32_t>{2, 1});
    CHECK(r->value->outcomes[1].error() == asio::error::access_denied);
}

TEST_CASE("a cancelled caller: sleeping inputs end with their last error, the rest is not started") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{0, 9}};
    gate g(ctx.get_executor());
    auto child = [&](int i) -> asio::awaitable<int> {
        if (i == 1) {
            co_await g.wait(asio::deferred);
        }
        co_return co_await b.call(i);
    };
    asio::cancellation_signal stop;
    auto op =
        fanout::retry_rejected(std::views::iota(0, 4), child, three_attempts, times{}, fanout::limit(1));
    auto r = launch(ctx, std::move(op), stop.slot());
    poll(ctx);
    REQUIRE(g.waiting());
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(r->done);
    auto const& o = r->value->outcomes;
    CHECK(o[0].error() == asio::error::connection_reset);
    CHECK(o[1].error() == fanout::errc::cancelled_by_caller);
    CHECK(o[2].error() == fanout::errc::not_started);
    CHECK(o[3].error() == fanout::errc::not_started);
    CHECK(r->value->attempts == std::vector<std::uint32_t>{1, 1, 0, 0});
    CHECK(b.calls[0] == 1);
}

TEST_CASE("a cancellation while all inputs sleep ends at once") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{0, 9}, {1, 9}};
    asio::cancellation_signal stop;
    auto r = launch(ctx,
                    fanout::retry_rejected(
                        std::views::iota(0, 2), [&b](int i) { return b.call(i); }, three_attempts, times{}),
                    stop.slot());
    poll(ctx);
    CHECK_FALSE(r->done);
    stop.emit(asio::cancellation_type::total);
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->value->outcomes[1].error() == asio::error::connection_reset);
}

TEST_CASE("a retry whose sleep would pass the deadline is not slept for") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{0, 9}};
    auto r = launch(ctx, fanout::retry_rejected(
                             std::views::iota(0, 1), [&b](int i) { return b.call(i); }, three_attempts,
                             times{.attempt_timeout = std::nullopt, .deadline = 1500ms}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done); // at 1 s: the second attempt was rejected, a third would be at 2 s
    CHECK(r->value->attempts[0] == 2);
    CHECK(r->value->outcomes[0].error() == asio::error::connection_reset);
}

TEST_CASE("an attempt that timed out is run again") {
    asio::io_context ctx(1);
    int attempt = 0;
    gate never(ctx.get_executor());
    auto child = [&](int) -> asio::awaitable<int> {
        if (++attempt == 1) {
            co_await never.wait(asio::deferred);
        }
        co_return attempt;
    };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), child, three_attempts,
                                                times{.attempt_timeout = 5s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(5s, ctx);
    CHECK(never.cancels == 1);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->value->values() == std::vector<int>{2});
}

TEST_CASE("a made-up input is kept for its next attempt") {
    asio::io_context ctx(1);
    int calls = 0;
    auto inputs = std::views::iota(0, 3) |
                  std::views::transform([](int i) { return std::string(40, static_cast<char>('a' + i)); });
    auto child = [&calls](std::string const& s) -> asio::awaitable<char> {
        co_await turn();
        if (++calls <= 3) {
            throw std::runtime_error("first");
        }
        co_return s[39];
    };
    auto r = launch(ctx, fanout::retry_rejected(inputs, child, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->value->values() == std::vector<char>{'a', 'b', 'c'});
}

TEST_CASE("operations are retried, too, and move-only values come out") {
    asio::io_context ctx(1);
    int calls = 0;
    auto child = [&calls](int i) {
        return make_operation<void(error_code, std::unique_ptr<int>)>([&calls, i](auto h) {
            auto const e = ++calls == 1 ? error_code(asio::error::try_again) : error_code();
            std::move(h)(e, std::make_unique<int>(i));
        });
    };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(5, 7), child, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    auto const values = std::move(*r->value).values();
    CHECK(*values[0] == 5);
    CHECK(*values[1] == 6);
}

TEST_CASE("max_attempts counts the first one, so 0 is refused") {
    CHECK_THROWS_AS(
        (void)fanout::retry_rejected(
            std::views::iota(0, 3), [](int) { return turn(); }, fanout::retry_policy{.max_attempts = 0}),
        std::invalid_argument);
}

TEST_CASE("children of different types: factories, side by side") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{1, 1}};
    int turns = 0;
    auto number = [&b] { return b.call(1); };
    auto nothing = [&turns]() -> asio::awaitable<void> {
        ++turns;
        co_await turn();
    };
    auto operation = [] {
        return make_operation<void(error_code, std::string)>(
            [](auto h) { std::move(h)(error_code(), std::string("text")); });
    };
    auto r = launch(
        ctx, fanout::retry_rejected(number, nothing, operation, three_attempts, times{}, fanout::limit(1)));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->value->attempts == std::array<std::uint32_t, 3>{2, 1, 1});
    CHECK(r->value->retries() == 1);
    CHECK(turns == 1);
    auto const [ten, none, text] = std::move(*r->value).values();
    CHECK(ten == 10);
    CHECK(text == "text");
}

TEST_CASE("children of different types: values() lists those that failed for good") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{1, 9}};
    auto r = launch(ctx, fanout::retry_rejected([&b] { return b.call(0); }, [&b] { return b.call(1); },
                                                three_attempts, times{}));
    poll(ctx);
    for (int i = 0; i < 3; ++i) {
        manual_clock::advance(1s, ctx);
    }
    REQUIRE(r->done);
    CHECK(b.calls[0] == 1);
    CHECK(b.calls[1] == 3);
    try {
        (void)std::move(*r->value).values();
        FAIL("values() must throw");
    } catch (fanout::rejected_error const& e) {
        REQUIRE(e.failures().size() == 1);
        CHECK(e.failures()[0].index == 1);
        CHECK(e.failures()[0].attempts == 3);
    }
}

TEST_CASE("a range of factories") {
    asio::io_context ctx(1);
    backend b;
    b.failures_left = {{1, 1}};
    std::vector<std::function<asio::awaitable<int>()>> factories{[&b] { return b.call(0); },
                                                                 [&b] { return b.call(1); }};
    auto r = launch(ctx, fanout::retry_rejected(factories, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(std::move(*r->value).values() == std::vector<int>{0, 10});
}
