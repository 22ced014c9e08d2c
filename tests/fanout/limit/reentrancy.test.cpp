// SPDX-License-Identifier: BSL-1.0

// p-limit#91: a child that asks, inside a permit, for the same limit waits for itself. Debug builds say so.

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <ranges>
#include <string>

namespace asio = boost::asio;
using fanout::errc;
using fanout::semaphore;

namespace {

constexpr int inputs = 3;

asio::awaitable<int> leaf(int i) {
    co_await test::turn();
    co_return i;
}

/// What the first child of a fan-out over `outer` ended with, whose children run `body`.
template <class Outer, class Body>
fanout::error_code first_error(Outer&& outer, Body body) {
    asio::io_context context(1);
    auto r = test::run(context, fanout::when_all_settled(std::views::iota(0, inputs), std::ref(body),
                                                         std::forward<Outer>(outer)));
    auto const& first = r->value->front();
    return first.has_value() ? fanout::error_code() : first.error();
}

} // namespace

#ifndef NDEBUG

TEST_CASE("p-limit#91: a child that fans out over the limit it runs under is told so") {
    semaphore s(8);
    auto const plain = [&](int) -> asio::awaitable<void> {
        co_await test::turn();
        auto inner = fanout::when_all(std::views::iota(0, 2), leaf, s);
        co_await std::move(inner);
    };
    auto const e = first_error(s, plain);
    CHECK(e == errc::reentrant_limit);
    CHECK(e == boost::system::errc::resource_deadlock_would_occur);
    CHECK(e.message().find("a child asks for a limit inside a permit of that same limit") == 0);
    CHECK(s.in_use() == 0);
    auto const resets = [&](int i) -> asio::awaitable<void> { // what may be cancelled makes no difference
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        auto inner = plain(i);
        co_await std::move(inner);
    };
    CHECK(first_error(s, resets) == errc::reentrant_limit);
    CHECK(s.in_use() == 0);
}

TEST_CASE("an operation as a child, and one that asks by hand") {
    semaphore s(8);
    auto const operation = [&](int) { return fanout::when_all_settled(std::views::iota(0, 2), leaf, s); };
    CHECK(first_error(s, operation) == errc::reentrant_limit);
    auto const by_hand = [&](int) -> asio::awaitable<void> {
        auto const permit = co_await s.async_acquire();
        co_await test::turn();
    };
    CHECK(first_error(s, by_hand) == errc::reentrant_limit);
    CHECK(s.in_use() == 0);
}

TEST_CASE("every limit that is held is looked at: adaptive, pool, each of all_of") {
    fanout::adaptive<fanout::aimd> a(fanout::aimd::options{});
    auto const over_a = [&](int i) -> asio::awaitable<void> {
        auto inner = fanout::when_all(std::views::iota(0, i + 1), leaf, a);
        co_await std::move(inner);
    };
    CHECK(first_error(a, over_a) == errc::reentrant_limit);
    auto const a_by_hand = [&](int) -> asio::awaitable<void> { auto const p = co_await a.async_acquire(); };
    CHECK(first_error(a, a_by_hand) == errc::reentrant_limit);

    auto const make = []() -> asio::awaitable<int> { co_return 1; };
    fanout::pool<int> p(4, make);
    auto const over_p = [&](int, int&) -> asio::awaitable<void> { auto const lease = co_await p.acquire(); };
    CHECK(first_error(p, over_p) == errc::reentrant_limit);

    semaphore s(4);
    fanout::rate r(1e9, 100);
    auto const over_s = [&](int) -> asio::awaitable<void> {
        auto inner = fanout::when_all(std::views::iota(0, 2), leaf, s);
        co_await std::move(inner);
    };
    CHECK(first_error(fanout::all_of(r, s), over_s) == errc::reentrant_limit);
    auto const over_r = [&](int) -> asio::awaitable<void> { // tokens are spent, not held
        auto inner = fanout::when_all(std::views::iota(0, 2), leaf, r);
        co_await std::move(inner);
    };
    CHECK_FALSE(first_error(fanout::all_of(r, s), over_r));
}

#endif

TEST_CASE("another limit inside a permit, and the same one after it, are nobody's business") {
    semaphore outer(4), inner(2);
    auto const body = [&](int) -> asio::awaitable<void> {
        auto nested = fanout::when_all(std::views::iota(0, 5), leaf, inner);
        co_await std::move(nested);
    };
    CHECK_FALSE(first_error(outer, body));
    asio::io_context context(1);
    auto const twice = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 2; ++i) {
            auto op = fanout::when_all(std::views::iota(0, 5), leaf, outer);
            co_await std::move(op);
            auto const permit = co_await outer.async_acquire();
        }
    };
    bool done = false;
    asio::co_spawn(context, twice(), [&](std::exception_ptr e) { done = !e; });
    context.run();
    CHECK(done);
}
