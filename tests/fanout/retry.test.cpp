// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/pool.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/retry.hpp>

#include "../support/harness.hpp"

#include <boost/outcome/basic_result.hpp>
#include <boost/system/result.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
constexpr fanout::retry_policy<fanout::constant> three_attempts{.max_attempts = 3,
                                                                .backoff = {.interval = 1s}};

/// Fails so many times, each time with another message.
struct flaky {
    int failures_left = 0;
    int calls = 0;

    asio::awaitable<std::string> operator()() {
        ++calls;
        co_await turn();
        if (failures_left-- > 0) {
            throw std::runtime_error("failure " + std::to_string(calls));
        }
        co_return "done at call " + std::to_string(calls);
    }
};

} // namespace

TEST_CASE("retry completes with the value of the first attempt that is fulfilled") {
    asio::io_context ctx(1);
    flaky f{2};
    auto r = launch(ctx, fanout::retry(std::ref(f), three_attempts, times{}));
    poll(ctx);
    CHECK(f.calls == 1);
    manual_clock::advance(1s, ctx);
    CHECK(f.calls == 2);
    CHECK_FALSE(r->done);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(*r->value == "done at call 3");
}

TEST_CASE("retry throws what the last attempt threw, unchanged; on_retry was told of those before") {
    asio::io_context ctx(1);
    flaky f{9};
    std::vector<std::string> log;
    auto note = [&log](fanout::retry_event const& e, fanout::settled<std::string> const& o) {
        try {
            o.value();
        } catch (std::exception const& x) {
            log.push_back(std::to_string(e.attempt) + " " + x.what() + " " + std::to_string(e.delay / 1ms) +
                          " ms");
        }
    };
    auto r = launch(ctx, fanout::retry(std::ref(f), three_attempts, times{}, fanout::on_retry(note)));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->message() == "failure 3");
    CHECK_THROWS_AS(std::rethrow_exception(r->error), std::runtime_error);
    CHECK(log == std::vector<std::string>{"1 failure 1 1000 ms", "2 failure 2 1000 ms"});
    CHECK(f.calls == 3);
}

TEST_CASE("retry of an operation: void, an error code, and the attempt as its parameter") {
    asio::io_context ctx(1);
    std::vector<std::uint32_t> numbers;
    auto f = [&numbers](fanout::basic_attempt<manual_clock> const& a) {
        numbers.push_back(a.number);
        return make_operation<void(error_code)>(
            [](auto h) { std::move(h)(error_code(asio::error::connection_refused)); });
    };
    auto r = launch(ctx, fanout::retry(f, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(r->code() == asio::error::connection_refused);
    CHECK(numbers == std::vector<std::uint32_t>{1, 2, 3});
}

TEST_CASE("the error channel follows the child's: an Outcome is completed with, and nothing is thrown") {
    asio::io_context ctx(1);
    int calls = 0;
    auto f = [&calls]() -> asio::awaitable<boost::system::result<std::unique_ptr<int>>> {
        co_await turn();
        if (++calls < 3) {
            co_return error_code(asio::error::try_again);
        }
        co_return std::make_unique<int>(7);
    };
    auto r = launch(ctx, fanout::retry(f, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(*r->value->value() == 7);
    calls = -9;
    auto again = launch(ctx, fanout::retry(f, three_attempts, times{}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(again->done);
    CHECK(again->value->error() == asio::error::try_again);
}

TEST_CASE("each attempt takes a resource of the pool, and the sleep holds none") {
    asio::io_context ctx(1);
    fanout::pool<int> connections(
        1, []() -> asio::awaitable<int> { co_return 41; }, [](int&) { return true; });
    std::vector<int> used;
    auto f = [&used](int& connection) -> asio::awaitable<int> {
        used.push_back(connection++);
        co_await turn();
        if (used.size() < 3) {
            throw std::runtime_error("deadlock");
        }
        co_return connection;
    };
    auto r = launch(ctx, fanout::retry(f, three_attempts, connections, times{}));
    poll(ctx);
    CHECK(connections.idle() == 1);
    manual_clock::advance(1s, ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(*r->value == 44);
    CHECK(used == std::vector<int>{41, 42, 43});
}

TEST_CASE("retry: a cancelled caller gets the last error of what sleeps, and not_started before the first") {
    asio::io_context ctx(1);
    flaky f{9};
    fanout::semaphore full(1);
    asio::cancellation_signal stop;
    auto r = launch(ctx, fanout::retry(std::ref(f), three_attempts, times{}, full), stop.slot());
    poll(ctx);
    CHECK_FALSE(r->done);
    stop.emit(asio::cancellation_type::total);
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->message() == "failure 1");

    auto held = full.try_acquire();
    REQUIRE(held);
    auto waits = launch(ctx, fanout::retry(std::ref(f), three_attempts, times{}, full), stop.slot());
    poll(ctx);
    CHECK_FALSE(waits->done);
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(waits->done);
    CHECK(waits->code() == fanout::errc::not_started);
    CHECK(f.calls == 1);
}

TEST_CASE("retry: a deadline that has passed starts nothing") {
    asio::io_context ctx(1);
    flaky f;
    auto r = launch(ctx, fanout::retry(std::ref(f), three_attempts,
                                       times{.attempt_timeout = std::nullopt, .deadline = 0s}));
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->code() == fanout::errc::not_started);
    CHECK(f.calls == 0);
}
