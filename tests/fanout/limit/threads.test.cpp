// SPDX-License-Identifier: BSL-1.0

// Limits of each kind under children on four threads. Mostly for ThreadSanitizer to look at.

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/connection.hpp"
#include "../../support/harness.hpp"
#include "../../support/raise_to.hpp"
#include "../../support/thread_clocks.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <future>
#include <random>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using fanout::all_of;
using fanout::error_code;
using fanout::keyed;
using fanout::semaphore;
using fanout::weighted;
using test::common_clock;
using test::connection;
using namespace std::chrono_literals;

namespace {

auto const inputs = [](int n) { return std::views::iota(0, n); };

/// On a strand of its own, and may be cancelled.
struct caller {
    explicit caller(asio::thread_pool& p) : strand(asio::make_strand(p)) {}
    asio::strand<asio::thread_pool::executor_type> strand;
    asio::cancellation_signal cancel;
};

} // namespace

TEST_CASE("weighted: any weights from several fan-outs: never more than the permits") {
    semaphore s(6);
    asio::thread_pool pool(4);
    std::atomic<int> total{0}, peak{0};
    auto const cost = [](int i) { return i % 9 + 1; };
    auto const child = [&](int i) -> asio::awaitable<int> {
        auto const mine = (std::min)(i % 9 + 1, 6);
        test::raise_to(peak, total += mine);
        co_await test::turn();
        total -= mine;
        co_return i;
    };
    auto const n = inputs(500);
    auto a = fanout::when_all(n, child, weighted(s, cost), fanout::on(pool))(asio::use_future);
    auto b = fanout::when_all(n, child, weighted(s, cost), fanout::on(pool))(asio::use_future);
    auto c = fanout::when_all_settled(n, child, weighted(s, cost), fanout::on(pool))(asio::use_future);
    CHECK(a.get().size() == 500);
    CHECK(b.get().size() == 500);
    CHECK(c.get().size() == 500);
    pool.join();
    CHECK(peak <= 6);
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
}

TEST_CASE("keyed: the children of a key run one after another, in order, on any thread") {
    asio::thread_pool pool(4);
    struct one {
        std::atomic<int> running{0};
        int last = -1; // guarded by the key alone
        int wrong = 0;
    };
    std::vector<one> keys(9);
    auto const child = [&keys](int i) -> asio::awaitable<int> {
        auto& k = keys[static_cast<std::size_t>(i % 9)];
        k.wrong += ++k.running == 1 && k.last < i ? 0 : 1;
        k.last = i;
        co_await test::turn();
        --k.running;
        if (i % 50 == 0) {
            throw std::runtime_error("now and then");
        }
        co_return i;
    };
    auto const key = [](int i) { return i % 9; };
    semaphore s(5);
    auto a =
        fanout::when_all_settled(inputs(3000), child, keyed(1, key, 16), fanout::on(pool))(asio::use_future);
    CHECK(a.get().size() == 3000);
    for (auto& k : keys) {
        k.last = -1;
    }
    auto b = fanout::when_all_settled(inputs(3000), child, all_of(s, keyed(1, key)),
                                      fanout::on(pool))(asio::use_future);
    CHECK(b.get().size() == 3000);
    pool.join();
    for (auto const& k : keys) {
        CHECK(k.wrong == 0);
    }
    CHECK(s.in_use() == 0);
}

TEST_CASE("all_of: a storm of fan-outs with limits in any order, many of them cancelled") {
    std::array<semaphore, 4> s{semaphore(1), semaphore(2), semaphore(3), semaphore(1)};
    asio::thread_pool pool(4);
    std::atomic<int> inside{0}, peak{0}, started{0};
    auto const child = [&](int i) -> asio::awaitable<int> {
        ++started;
        test::raise_to(peak, ++inside);
        co_await test::turn();
        --inside;
        co_return i;
    };
    std::deque<caller> callers;
    std::atomic<int> ended{0};
    std::mt19937 random(11);
    auto const launch = [&](auto operation) {
        auto& c = callers.emplace_back(pool);
        auto on_end = asio::bind_cancellation_slot(
            c.cancel.slot(),
            asio::bind_executor(c.strand, [&ended](std::exception_ptr, auto&&...) { ++ended; }));
        asio::post(c.strand, [op = std::move(operation), h = std::move(on_end)]() mutable {
            std::move(op)(std::move(h));
        });
        if (random() % 2 == 0) {
            asio::post(c.strand, [&c] { c.cancel.emit(asio::cancellation_type::terminal); });
        }
    };
    auto const weight = [](int i) { return 1 + i % 4; };
    for (int round = 0; round < 25; ++round) {
        auto const n = inputs(20);
        launch(fanout::when_all(n, child, all_of(s[0], s[1], s[2], s[3])));
        launch(fanout::when_all(n, child, all_of(s[3], s[2], s[1], s[0]), fanout::on(pool)));
        launch(fanout::when_all_settled(n, child, all_of(s[2], s[0])));
        launch(fanout::when_all(n, child, all_of(weighted(s[2], weight), s[0], s[1]), fanout::on(pool)));
        launch(fanout::when_all(n, child, all_of(s[1], weighted(s[3], 3))));
    }
    pool.join();
    CHECK(ended == 125);
    CHECK(started > 0);
    for (auto const& each : s) {
        CHECK(each.in_use() == 0);
        CHECK(each.waiting() == 0);
    }
    CHECK(peak <= 4); // at most 1 + 2 + 3 + 1, and none runs with less than two of them
}

TEST_CASE("pool: two fan-outs on a thread pool, of which children fail, and some are cancelled") {
    test::ledger made;
    asio::thread_pool threads(4);
    fanout::pool<connection> p(
        5, [&]() -> asio::awaitable<connection> { co_return connection(made); },
        [](connection const& c) { return !c.broken; });
    auto const child = [](int i, connection& c) -> asio::awaitable<int> {
        test::use const u(c);
        co_await test::turn();
        c.broken = i % 13 == 0;
        if (i % 7 == 0) {
            throw std::runtime_error("now and then");
        }
        co_return i;
    };
    for (int round = 0; round < 3; ++round) {
        auto const at_once =
            fanout::retry_policy{.max_attempts = 2, .backoff = fanout::exponential{.base = 0ns}};
        auto const some = std::views::iota(1, 400);
        auto a = fanout::when_all_settled(some, child, p, fanout::on(threads))(asio::use_future);
        auto b = fanout::retry_rejected(some, child, at_once, p, fanout::on(threads))(asio::use_future);
        auto c = fanout::when_all(some, child, p, fanout::on(threads))(asio::use_future);
        CHECK(a.get().size() == 399);
        CHECK(b.get().outcomes.size() == 399);
        CHECK_THROWS_WITH_AS(c.get(), "now and then", std::runtime_error);
    }
    threads.join();
    CHECK(made.peak <= 5);
    CHECK(p.in_use() == 0);
    CHECK(p.waiting() == 0);
    CHECK(made.alive == static_cast<int>(p.idle()));
}

TEST_CASE("rate: fan-outs on many strands, waiters that come and go: no token is lost or made up") {
    using common_rate = fanout::basic_rate<common_clock>;
    common_rate r(1000, 10);
    asio::thread_pool pool(4);
    auto const t0 = common_clock::now();
    std::atomic<int> started{0};
    auto const child = [&started](int i) -> asio::awaitable<int> {
        ++started;
        co_return i;
    };
    std::vector<std::future<std::vector<int>>> ends;
    for (int i = 0; i < 4; ++i) {
        ends.push_back(fanout::when_all(inputs(500), child, r, fanout::on(pool))(asio::use_future));
    }
    // Beside them waiters by hand, half of which are cancelled, and none of which uses its token.
    std::deque<caller> passers;
    std::atomic<int> passed{0};
    std::mt19937 random(7);
    for (int i = 0; i < 300; ++i) {
        auto& p = passers.emplace_back(pool);
        asio::post(p.strand, [&r, &p, &passed] {
            r.async_acquire(asio::bind_cancellation_slot(
                p.cancel.slot(),
                asio::bind_executor(p.strand, [&passed](error_code, common_rate::permit) { ++passed; })));
        });
        if (random() % 2 == 0) {
            asio::post(p.strand, [&p] { p.cancel.emit(asio::cancellation_type::terminal); });
        }
        common_clock::current += 1'000'000;
        if (i % 10 == 0) {
            std::this_thread::yield();
        }
    }
    auto const ready = [](auto& f) { return f.wait_for(0s) == std::future_status::ready; };
    while (!std::ranges::all_of(ends, ready) || passed < 300) {
        auto const allowed = [&] { return 10 + (common_clock::now() - t0) / 1ms; };
        auto const so_far = started.load();
        REQUIRE(so_far <= allowed() + 1);
        common_clock::current += 100'000;
        std::this_thread::yield();
    }
    pool.join();
    CHECK(started == 2000);
    CHECK(r.waiting() == 0);
    common_clock::current += 3'600'000'000'000;
    int full = 0;
    while (auto p = r.try_acquire()) {
        p.release({fanout::feedback::success, {}, fanout::state::fulfilled});
        ++full;
    }
    CHECK(full == 10);
}
