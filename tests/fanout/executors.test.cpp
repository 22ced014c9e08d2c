// SPDX-License-Identifier: BSL-1.0

// Where children run: serial executors as they are, strands where they are needed, threads. Made for TSan.

#include <fanout/composed.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <exception>
#include <future>
#include <latch>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace test;
using fanout::errc;

namespace {

using concrete = asio::io_context::executor_type;

asio::awaitable<int> fails_at(int i, int bad) {
    co_await turn();
    if (i == bad) {
        throw std::runtime_error("bad");
    }
    co_await turn();
    co_return i;
}

/// Waits for the operation; the message of what it threw, or "". The exception stays on its thread: TSan does not see
/// how libstdc++ counts the references to one.
template <class Op>
std::string message_of(Op op) {
    std::promise<std::string> message;
    std::move(op)([&message](std::exception_ptr e, auto&&...) {
        std::string text;
        try {
            if (e) {
                std::rethrow_exception(std::exchange(e, nullptr));
            }
        } catch (std::exception const& x) {
            text = x.what();
        }
        message.set_value(text);
    });
    return message.get_future().get();
}

} // namespace

TEST_CASE("asio#1348: failing children on a thread pool, again and again") {
    asio::thread_pool pool(4);
    constexpr int rounds = 10000;
    int failed = 0; // children are serial, so this needs no lock
    auto work = [&]() -> asio::awaitable<void> {
        for (int round = 0; round < rounds; ++round) {
            auto child = [round](int i) { return fails_at(i, round % 8); };
            try {
                (void)co_await fanout::when_all(std::views::iota(0, 8), child);
            } catch (std::runtime_error const&) {
                ++failed;
            }
        }
    };
    asio::co_spawn(pool, work(), asio::use_future).get();
    CHECK(failed == rounds);
}

TEST_CASE("on(executor): lanes in parallel on threads, failing children, again and again") {
    asio::thread_pool pool(4);
    for (int round = 0; round < 500; ++round) {
        auto child = [round](int i) { return fails_at(i, round % 8); };
        CHECK(message_of(fanout::when_all(std::views::iota(0, 8), child, fanout::on(pool.get_executor()),
                                          fanout::limit(4))) == "bad");
        CHECK(message_of(fanout::when_all_settled(std::views::iota(0, 8), child,
                                                  fanout::on(pool.get_executor()))) == "");
    }
}

TEST_CASE("on(executor): children really run side by side on the threads") {
    asio::thread_pool pool(3);
    std::barrier<> meet(3); // nobody gets on before three are there at once
    auto child = [&meet](int) -> asio::awaitable<void> {
        meet.arrive_and_wait();
        co_return;
    };
    fanout::stats st;
    fanout::when_all(std::views::iota(0, 9), child, fanout::on(pool), fanout::limit(3), st)(asio::use_future)
        .get();
    CHECK(st.fulfilled() == 9);
    CHECK(st.peak_in_flight() == 3);
}

TEST_CASE("on(executor): several children side by side on threads, some of which end at once") {
    asio::thread_pool pool(4);
    auto after = [](int turns) -> asio::awaitable<int> {
        for (int i = 0; i < turns; ++i) {
            co_await turn();
        }
        co_return turns;
    };
    std::atomic<int> fulfilled = 0, all = 0;
    for (int round = 0; round < 300; ++round) {
        fanout::when_all_settled(after(0), after(1), after(0), after(1), after(0), fanout::on(pool))(
            asio::bind_executor(pool, [&](std::exception_ptr, auto const& settled) {
                std::apply([&](auto const&... each) { fulfilled += (0 + ... + (each ? 1 : 0)); }, settled);
            }));
        fanout::when_all(after(0), after(1), after(0), after(1), fanout::on(pool), fanout::limit(2))(
            asio::bind_executor(pool, [&](std::exception_ptr e, auto const&) { all += e ? 0 : 1; }));
    }
    pool.join();
    CHECK(fulfilled == 5 * 300);
    CHECK(all == 300);
}

TEST_CASE("composed children run in parallel on a thread pool") {
    asio::thread_pool pool(4);
    std::atomic<int> sum = 0;
    auto const child = fanout::composed<void>([&sum](auto, int i) -> void {
        co_await asio::post(asio::deferred);
        sum += i;
        co_await asio::post(asio::deferred);
    });
    auto all = fanout::when_all(std::views::iota(0, 1'000), child, fanout::limit(16),
                                fanout::on(pool.get_executor()));
    std::move(all)(asio::bind_executor(pool, asio::use_future)).get();
    CHECK(sum == 499'500);
}

TEST_CASE("on(executor): nothing that queues for a thread starts after the failure") {
    asio::thread_pool pool(1);
    std::atomic<int> started = 0;
    auto child = [&started](int i) -> asio::awaitable<void> {
        ++started;
        if (i == 0) {
            throw std::runtime_error("the first");
        }
        co_return;
    };
    CHECK(message_of(fanout::when_all(std::views::iota(0, 100), child, fanout::on(pool.get_executor()))) ==
          "the first");
    CHECK(started == 1);
}

TEST_CASE("on(executor): retries, timeouts and operations on threads") {
    asio::thread_pool pool(4);
    std::atomic<int> calls = 0;
    auto child = [&](int) {
        return make_operation<void(error_code)>([&](auto h) {
            auto const e = ++calls % 3 == 0 ? error_code(asio::error::try_again) : error_code();
            asio::post(pool, [h = std::move(h), e]() mutable {
                auto const ex = asio::get_associated_executor(h);
                asio::dispatch(ex, [h = std::move(h), e]() mutable { std::move(h)(e); });
            });
        });
    };
    auto const r =
        fanout::retry_rejected(
            std::views::iota(0, 1000), child,
            fanout::retry_policy{.max_attempts = 50,
                                 .backoff = fanout::exponential{.base = std::chrono::nanoseconds(1),
                                                                .cap = std::chrono::nanoseconds(10)}},
            fanout::options{.attempt_timeout = std::chrono::hours(1)}, fanout::limit(16),
            fanout::on(pool.get_executor()))(asio::use_future)
            .get();
    CHECK(r.failed() == 0);
    CHECK(r.retries() > 100);
}

TEST_CASE("on(executor): the caller cancels from its own executor while children run on threads") {
    for (int round = 0; round < 200; ++round) {
        asio::io_context ctx(1); // outlives the threads, which post to it
        asio::thread_pool pool(4);
        asio::cancellation_signal stop;
        std::latch running(1);
        auto child = [&running](int i) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            if (i == 0) {
                running.count_down();
            }
            for (;;) {
                co_await asio::post(ex, asio::deferred); // ends by the cancellation alone
            }
        };
        auto r = launch(
            ctx, fanout::when_all_settled(std::views::iota(0, 4), child, fanout::on(pool.get_executor())),
            stop.slot());
        poll(ctx);
        running.wait();
        asio::post(ctx, [&stop] { stop.emit(asio::cancellation_type::terminal); });
        ctx.restart();
        ctx.run();
        REQUIRE(r->done);
        for (auto const& o : *r->value) {
            auto const s = fanout::state_of(o);
            CHECK((s == fanout::state::cancelled || s == fanout::state::not_started));
        }
    }
}

TEST_CASE("asio#1029: a cancellation across strands: the fan-out has a strand of its own over a pool") {
    asio::thread_pool pool(4);
    for (int round = 0; round < 200; ++round) {
        auto const strand = asio::make_strand(pool);
        asio::cancellation_signal stop;
        std::latch running(1);
        auto child = [&running](int i) -> asio::awaitable<void> {
            if (i == 0) {
                running.count_down();
            }
            for (;;) {
                co_await turn();
            }
        };
        auto caller = [&]() -> asio::awaitable<std::size_t> {
            co_await asio::this_coro::throw_if_cancelled(false);
            auto op =
                fanout::when_all_settled(std::views::iota(0, 4), child, fanout::on(pool.get_executor()));
            auto const outcomes = co_await std::move(op);
            co_return outcomes.size();
        };
        auto done =
            asio::co_spawn(strand, caller(), asio::bind_cancellation_slot(stop.slot(), asio::use_future));
        running.wait();
        asio::post(strand, [&stop] { stop.emit(asio::cancellation_type::terminal); });
        CHECK(done.get() == 4);
    }
}

TEST_CASE("children on an io_context with several threads run one at a time") {
    asio::io_context ctx;
    int unguarded = 0; // TSan would see it
    auto child = [&unguarded](int) -> asio::awaitable<void> {
        ++unguarded;
        co_await turn();
        ++unguarded;
    };
    auto r = launch(ctx, fanout::when_all(std::views::iota(0, 2000), child, fanout::limit(64)));
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&ctx] { ctx.run(); });
    }
    threads.clear();
    CHECK(r->done);
    CHECK(unguarded == 4000);
}

TEST_CASE("awaitables typed on a concrete executor run on it") {
    asio::io_context ctx(1);
    auto child = [](int i) -> asio::awaitable<int, concrete> {
        co_await asio::post(asio::deferred);
        co_return i + 1;
    };
    int sum = 0;
    auto caller = [&]() -> asio::awaitable<void, concrete> {
        auto const v = co_await fanout::when_all(std::views::iota(0, 3), child);
        sum = std::accumulate(v.begin(), v.end(), 0);
    };
    asio::co_spawn(ctx, caller(), asio::detached);
    ctx.run();
    CHECK(sum == 6);
}

TEST_CASE("operations on a concrete executor, with one thread and with a strand") {
    auto const settle = [](asio::io_context& ctx) {
        std::size_t n = 0;
        fanout::when_all_settled(
            std::views::iota(0, 100), [&ctx](int) { return asio::post(ctx, asio::deferred); },
            fanout::limit(8))(asio::bind_executor(
            ctx.get_executor(), [&n](std::exception_ptr, auto outcomes) { n = outcomes.size(); }));
        ctx.run();
        return n;
    };
    asio::io_context one(1), many;
    CHECK(settle(one) == 100);
    CHECK(settle(many) == 100);
}

TEST_CASE("initiated from outside its executor") {
    asio::thread_pool pool(2);
    for (int round = 0; round < 300; ++round) {
        std::promise<std::size_t> done;
        fanout::when_all(std::vector<int>{1, 2, 3}, [](int i) { return fails_at(i, 9); })(
            asio::bind_executor(pool.get_executor(), [&done](std::exception_ptr, std::vector<int> v) {
                done.set_value(v.size());
            }));
        CHECK(done.get_future().get() == 3);
    }
}
