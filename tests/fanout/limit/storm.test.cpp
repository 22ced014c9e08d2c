// SPDX-License-Identifier: BSL-1.0

// Shared limits on four threads, with fan-outs that are cancelled at any moment: nothing hangs, no permit is lost. Mostly for
// ThreadSanitizer to look at.

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"
#include "../../support/raise_to.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <ranges>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using fanout::error_code;
using fanout::semaphore;

namespace {

constexpr int rounds = 60;
constexpr int callers = 8;

std::atomic<int> running{0};
std::atomic<int> peak{0};

/// Counts what runs, on any thread.
struct count_in {
    count_in() { test::raise_to(peak, ++running); }
    count_in(count_in const&) = delete;
    ~count_in() { --running; }
};

asio::awaitable<int> child(int i) {
    count_in const here;
    for (int k = 0; k <= i % 3; ++k) {
        co_await test::turn();
    }
    co_return i;
}

/// Runs `call(who)` for each caller on a strand of its own, and cancels some of them after a few turns.
template <class Call>
void storm(asio::thread_pool& pool, Call call, unsigned seed) {
    struct caller {
        explicit caller(asio::thread_pool& p) : strand(asio::make_strand(p.get_executor())) {}
        asio::strand<asio::thread_pool::executor_type> strand;
        asio::cancellation_signal cancel;
    };
    std::atomic<int> left{callers};
    std::minstd_rand random(seed);
    for (int who = 0; who < callers; ++who) {
        auto const c = std::make_shared<caller>(pool);
        asio::post(c->strand, [c, &call, &left, who] {
            asio::co_spawn(
                c->strand, call(who),
                asio::bind_cancellation_slot(c->cancel.slot(), [c, &left](std::exception_ptr) { --left; }));
        });
        auto const turns = static_cast<int>(random() % 40);
        auto const type =
            random() % 2 == 0 ? asio::cancellation_type::terminal : asio::cancellation_type::partial;
        if (who % 2 == 0) {
            auto const later = [c, turns, type](auto& self, int n) -> void {
                if (n == turns) {
                    c->cancel.emit(type);
                } else {
                    asio::post(c->strand, [self, n]() mutable { self(self, n + 1); });
                }
            };
            asio::post(c->strand, [later]() mutable { later(later, 0); });
        }
    }
    while (left > 0) {
        std::this_thread::yield();
    }
}

} // namespace

TEST_CASE("a cancel storm over one semaphore: it is never exceeded, and whole at the end") {
    asio::thread_pool pool(4);
    semaphore s(5);
    running = peak = 0;
    for (int round = 0; round < rounds; ++round) {
        auto const call = [&](int who) -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
            if (who % 4 == 3) {
                for (int i = 0; i < 10; ++i) {
                    auto const permit = co_await s.async_acquire();
                    co_await child(i);
                }
            } else if (who % 4 == 2) {
                auto on_threads = fanout::when_all_settled(std::views::iota(0, 30), child, s,
                                                           fanout::on(pool.get_executor()));
                co_await std::move(on_threads);
            } else {
                auto here = fanout::when_all_settled(std::views::iota(0, 30), child, s);
                co_await std::move(here);
            }
        };
        storm(pool, call, static_cast<unsigned>(round + 1));
        REQUIRE(s.in_use() == 0);
        REQUIRE(s.waiting() == 0);
    }
    CHECK(running == 0);
    CHECK(peak <= 5);
}

TEST_CASE("a cancel storm over weights, with a semaphore that is resized meanwhile") {
    asio::thread_pool pool(4);
    semaphore s(5);
    std::atomic<bool> stop{false};
    std::thread resizer([&] {
        for (std::size_t n = 1; !stop; n = n % 7 + 1) {
            s.resize(n);
            std::this_thread::yield();
        }
        s.resize(5);
    });
    auto const weight = [](int i) { return i % 4 + 1; };
    for (int round = 0; round < rounds; ++round) {
        auto const call = [&](int who) -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
            auto const shared = fanout::weighted(s, weight);
            if (who % 2 == 0) {
                auto op = fanout::when_all_settled(std::views::iota(0, 20), child, shared);
                co_await std::move(op);
            } else {
                auto op = fanout::when_all_settled(std::views::iota(0, 20), child, shared,
                                                   fanout::on(pool.get_executor()));
                co_await std::move(op);
            }
        };
        storm(pool, call, static_cast<unsigned>(round + 1));
        REQUIRE(s.in_use() == 0);
        REQUIRE(s.waiting() == 0);
    }
    stop = true;
    resizer.join();
    CHECK(s.permits() == 5);
}

TEST_CASE("a cancel storm over an adaptive limit") {
    asio::thread_pool pool(4);
    fanout::adaptive<fanout::aimd> limit({.maximum = 50, .initial = 20});
    auto const throttled = [](int i) -> asio::awaitable<int> {
        count_in const here;
        co_await test::turn();
        if (running > 10) {
            throw boost::system::system_error(
                make_error_code(boost::system::errc::resource_unavailable_try_again));
        }
        co_return i;
    };
    auto const is_overload = [](error_code const& e) {
        return e == boost::system::errc::resource_unavailable_try_again;
    };
    for (int round = 0; round < rounds; ++round) {
        auto const call = [&](int who) -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
            if (who % 3 == 0) {
                auto op = fanout::when_all_settled(std::views::iota(0, 40), throttled, limit,
                                                   fanout::overload_if(is_overload),
                                                   fanout::on(pool.get_executor()));
                co_await std::move(op);
            } else {
                auto op = fanout::when_all_settled(std::views::iota(0, 40), throttled, limit,
                                                   fanout::overload_if(is_overload));
                co_await std::move(op);
            }
        };
        storm(pool, call, static_cast<unsigned>(round + 1));
        REQUIRE(limit.in_use() == 0);
        REQUIRE(limit.limit() >= 1);
        REQUIRE(limit.limit() <= 50);
    }
}

TEST_CASE("contexts on threads of their own, which end while others wait for the same semaphore") {
    semaphore s(3);
    running = peak = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&s, t] {
            for (int round = 0; round < rounds; ++round) {
                asio::io_context context(1);
                auto a = test::launch(context, fanout::when_all_settled(std::views::iota(0, 10), child, s));
                auto b = test::launch(context, fanout::when_all(std::views::iota(0, 10), child, s));
                if ((round + t) % 3 == 0) { // dropped in the middle
                    for (int turns = 0; turns < round % 20; ++turns) {
                        context.poll_one();
                    }
                } else {
                    context.run();
                }
            }
        });
    }
    for (auto& t : threads) {
        t.join();
    }
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
    CHECK(running == 0);
    CHECK(peak <= 3);
}
