// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using test::manual_clock;
using namespace std::chrono_literals;
using rate = fanout::basic_rate<manual_clock>;
using times = fanout::basic_options<manual_clock>;

namespace {

fanout::feedback const used{fanout::feedback::success, {}, fanout::state::fulfilled};

/// Uses up all tokens that there are.
int drain(rate& r) {
    int n = 0;
    while (auto p = r.try_acquire()) {
        p.release(used);
        ++n;
    }
    return n;
}

/// Someone who waits by hand, and what came of it.
struct customer {
    customer(rate& r, asio::io_context& c) {
        auto const got = [this](error_code e, rate::permit p) {
            ++calls;
            error = e;
            permit = std::move(p);
        };
        r.async_acquire(asio::bind_cancellation_slot(cancel.slot(), asio::bind_executor(c, got)));
    }

    asio::cancellation_signal cancel;
    int calls = 0;
    error_code error;
    rate::permit permit;
};

/// Children that write down when they started.
struct diary {
    asio::awaitable<int> operator()(int i) {
        starts.push_back(manual_clock::now());
        co_await test::turn();
        co_return i;
    }
    std::vector<manual_clock::time_point> starts;
};

/// Lets everything happen that is due, as long as that leads to more.
void settle(asio::io_context& context) {
    for (int i = 0; i < 4; ++i) {
        test::poll(context);
    }
}

/// Lets time pass until the fan-out has ended.
template <class Launched>
void finish(Launched const& f, asio::io_context& context, std::chrono::nanoseconds step) {
    settle(context);
    for (int i = 0; i < 1'000'000 && !f->done; ++i) {
        manual_clock::advance(step, context);
        settle(context);
    }
    REQUIRE(f->done);
}

} // namespace

TEST_CASE("a rate that is not above 0 and finite, and a burst below 1, are refused by name") {
    auto const make = [](double per_second, double burst = 1) { rate const r(per_second, burst); };
    CHECK_THROWS_WITH_AS(make(0), doctest::Contains("fanout::rate"), std::invalid_argument);
    CHECK_THROWS_AS(make(-5), std::invalid_argument);
    CHECK_THROWS_AS(make(std::numeric_limits<double>::infinity()), std::invalid_argument);
    CHECK_THROWS_AS(make(std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
    CHECK_THROWS_AS(make(1, 0.5), std::invalid_argument);
    rate const r(500, 50);
    CHECK(r.per_second() == 500);
    CHECK(r.burst() == 50);
    CHECK(r.waiting() == 0);
}

TEST_CASE("a permit that was used has spent its token; one that was not gives it back, once") {
    rate r(1, 3);
    {
        auto a = r.try_acquire(), b = r.try_acquire(), c = r.try_acquire();
        REQUIRE(c);
        CHECK_FALSE(r.try_acquire());
        a.release(used);
        a.release();
        CHECK_FALSE(a);
        CHECK_FALSE(r.try_acquire());
        auto moved = std::move(b);
        CHECK_FALSE(b); // NOLINT: what is left of it is empty
        b.release();
        CHECK_FALSE(r.try_acquire());
        moved = std::move(c); // the one it had goes back
        CHECK(drain(r) == 1);
        moved.release(
            {fanout::feedback::ignored, {}, fanout::state::cancelled}); // it may have had its effect
        CHECK(drain(r) == 0);
        moved = rate::permit();
    }
    CHECK(drain(r) == 0);
    manual_clock::current += 2s;
    {
        auto const dropped = r.try_acquire();
    }
    CHECK(drain(r) == 2);
}

TEST_CASE("first come, first served, each with a token of its own") {
    rate r(1);
    asio::io_context context(1);
    CHECK(drain(r) == 1);
    std::deque<customer> line;
    for (int i = 0; i < 4; ++i) {
        line.emplace_back(r, context);
    }
    settle(context);
    CHECK(r.waiting() == 4);
    CHECK_FALSE(r.try_acquire());
    for (int i = 0; i < 4; ++i) {
        manual_clock::advance(1s - 1ns, context);
        settle(context);
        CHECK(std::ranges::count(line, 1, &customer::calls) == i);
        manual_clock::current += 1ns;
        CHECK_FALSE(r.try_acquire()); // the token is the first one's, who does not know yet
        settle(context);
        auto& next = line[static_cast<std::size_t>(i)];
        CHECK(next.calls == 1);
        REQUIRE(next.permit);
        next.permit.release(used);
        CHECK(std::ranges::count(line, 1, &customer::calls) == i + 1);
    }
    CHECK(r.waiting() == 0);
}

TEST_CASE("a waiter that is cancelled, first or later in line, costs no token and keeps nobody waiting") {
    rate r(1);
    asio::io_context context(1);
    drain(r);
    for (auto const who : {0U, 1U, 2U}) {
        CAPTURE(who);
        std::deque<customer> line;
        for (int i = 0; i < 3; ++i) {
            line.emplace_back(r, context);
        }
        manual_clock::advance(400ms, context);
        line[who].cancel.emit(who == 0   ? asio::cancellation_type::total
                              : who == 1 ? asio::cancellation_type::partial
                                         : asio::cancellation_type::terminal);
        settle(context);
        CHECK(line[who].calls == 1);
        CHECK(line[who].error == asio::error::operation_aborted);
        CHECK_FALSE(line[who].permit);
        manual_clock::advance(600ms, context);
        settle(context);
        auto const first = who == 0 ? 1U : 0U;
        REQUIRE(line[first].permit);
        line[first].permit.release(used);
        manual_clock::advance(1s, context);
        settle(context);
        auto const second = who == 2 ? 1U : 2U;
        REQUIRE(line[second].permit);
        line[second].permit.release(used);
        CHECK(r.waiting() == 0);
        CHECK_FALSE(r.try_acquire());
    }
}

TEST_CASE("a token that is given back goes to the first in line at once, not a whole interval later") {
    rate r(1.0 / 3600); // one an hour
    asio::io_context context(1);
    auto unused = r.try_acquire();
    customer a(r, context), b(r, context);
    manual_clock::advance(1min, context);
    settle(context);
    CHECK(a.calls == 0);
    unused.release();
    settle(context);
    REQUIRE(a.permit);
    CHECK(b.calls == 0);
    a.permit.release(); // it has no use for it either
    settle(context);
    REQUIRE(b.permit);
    b.permit.release(used);
    CHECK_FALSE(r.try_acquire());
    manual_clock::advance(59min, context);
    CHECK(drain(r) == 0);
    manual_clock::advance(1min, context);
    CHECK(drain(r) == 1);
}

TEST_CASE("a token that was granted to one who was cancelled or dropped meanwhile goes to the next") {
    rate r(1);
    asio::io_context context(1);
    drain(r);
    auto first = std::make_unique<customer>(r, context);
    customer second(r, context);
    settle(context);
    manual_clock::advance(1s, context);
    settle(context);
    REQUIRE(first->permit);
    CHECK(second.calls == 0);
    first.reset(); // with what it was given
    settle(context);
    CHECK(second.permit);
}

TEST_CASE("who waits for a token resumes on its own executor, by a timer of that") {
    rate r(1);
    asio::io_context here(1), there(1);
    drain(r);
    customer a(r, here), b(r, there);
    settle(here);
    manual_clock::advance(1s, there);
    CHECK(a.calls == 0); // its context was not run
    settle(here);
    REQUIRE(a.permit);
    a.permit.release();
    settle(here);
    CHECK(b.calls == 0);
    settle(there);
    CHECK(b.permit);
}

TEST_CASE("the first in line goes with its context, and the next one takes its turn and its token") {
    rate r(1);
    drain(r);
    asio::io_context other(1);
    std::optional<customer> next;
    auto const alive = std::make_shared<int>();
    {
        asio::io_context context(1);
        for (int i = 0; i < 3; ++i) {
            r.async_acquire(
                asio::bind_executor(context, [alive](error_code, rate::permit) { CHECK(false); }));
        }
        settle(context);
        next.emplace(r, other);
        CHECK(r.waiting() == 4);
    }
    CHECK(alive.use_count() == 1);
    settle(other);
    CHECK(r.waiting() == 1);
    manual_clock::advance(1s, other);
    settle(other);
    CHECK(next->permit);
}

// ---- as the limit of fan-outs

TEST_CASE("exact counts: 100,000 children at three a second, each at its own nanosecond") {
    rate r(3);
    asio::io_context context(1);
    diary d;
    auto const t0 = manual_clock::now();
    constexpr int n = 100'000;
    auto f = test::launch(context, fanout::when_all(std::views::iota(0, n), std::ref(d), r));
    test::poll(context);
    for (std::int64_t i = 1; i < n; ++i) {
        auto const due = t0 + std::chrono::nanoseconds((i * 1'000'000'000 + 2) / 3);
        if (i % 1000 == 0) { // not a nanosecond before
            manual_clock::current = due - 1ns;
            settle(context);
            REQUIRE(d.starts.size() == static_cast<std::size_t>(i));
        }
        manual_clock::current = due;
        test::poll(context);
        REQUIRE(d.starts.size() == static_cast<std::size_t>(i + 1));
        REQUIRE(d.starts.back() == due);
    }
    finish(f, context, 1s);
    CHECK(f->value->size() == n);
    CHECK(d.starts.back() - t0 == 33'333s);
}

TEST_CASE("the burst starts at once, and again after a pause; it limits starts, not how many run") {
    rate r(10, 5);
    asio::io_context context(1);
    fanout::stats seen;
    std::deque<test::gate> gates;
    auto const child = [&](int) -> asio::awaitable<void> {
        auto& g = gates.emplace_back(context.get_executor());
        co_await g.wait(asio::deferred);
    };
    auto f = test::launch(context, fanout::when_all(std::views::iota(0, 14), child, r, seen, times{}));
    settle(context);
    CHECK(gates.size() == 5);
    manual_clock::advance(99ms, context);
    settle(context);
    CHECK(gates.size() == 5);
    for (int i = 6; i <= 14; ++i) {
        manual_clock::advance(i == 6 ? 1ms : 100ms, context);
        settle(context);
        CHECK(gates.size() == static_cast<std::size_t>(i));
    }
    for (auto& g : gates) {
        g.open();
    }
    finish(f, context, 100ms);
    CHECK(r.waiting() == 0);
    CHECK(seen.peak_in_flight() == 14);
    manual_clock::advance(1h, context);
    CHECK(drain(r) == 5);
}

TEST_CASE("two fan-outs take turns, however many inputs each has") {
    rate r(1000);
    asio::io_context context(1);
    std::vector<int> order;
    auto const child = [&order](int who) {
        return [&order, who](int) -> asio::awaitable<void> {
            order.push_back(who);
            co_return;
        };
    };
    auto const one = child(1), two = child(2);
    auto a = test::launch(context, fanout::when_all(std::views::iota(0, 1000), one, r));
    auto b = test::launch(context, fanout::when_all(std::views::iota(0, 50), two, r));
    finish(b, context, 1ms);
    finish(a, context, 1ms);
    auto const last_of_two = std::ranges::find(order.rbegin(), order.rend(), 2);
    CHECK(order.rend() - last_of_two <= 101);
    CHECK(std::ranges::count(order, 2) == 50);
    CHECK(order.size() == 1050);
}

TEST_CASE("each attempt takes a token, a retry too") {
    rate r(1, 2);
    asio::io_context context(1);
    std::set<int> seen;
    diary d;
    auto const fails_once = [&](int i) -> asio::awaitable<int> {
        if (seen.insert(i).second) {
            d.starts.push_back(manual_clock::now());
            throw std::runtime_error("once");
        }
        return d(i);
    };
    fanout::retry_policy const at_once{.max_attempts = 2, .backoff = fanout::exponential{.base = 0ns}};
    auto f = test::launch(context,
                          fanout::retry_rejected(std::views::iota(0, 4), fails_once, at_once, r, times{}));
    auto const t0 = manual_clock::now();
    finish(f, context, 250ms);
    CHECK(f->value->retries() == 4);
    REQUIRE(d.starts.size() == 8);
    for (std::size_t i = 2; i < 8; ++i) {
        CHECK(d.starts[i] - t0 == std::chrono::seconds(i - 1));
    }
}

TEST_CASE("a fan-out that is stopped while it waits ends at once, and spends no token") {
    rate r(1, 2);
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    test::gate g(context.get_executor());
    int started = 0;
    auto const child = [&](int i) -> asio::awaitable<void> {
        ++started;
        if (i == 0) {
            co_await g.wait(asio::deferred);
        }
    };
    SUBCASE("by a sibling") {
        auto f = test::launch(context, fanout::when_all(std::views::iota(0, 5), child, r));
        settle(context);
        CHECK(r.waiting() == 1);
        g.open(asio::error::connection_reset);
        settle(context);
        REQUIRE(f->done);
        CHECK(f->code() == asio::error::connection_reset);
    }
    SUBCASE("by the caller") {
        auto f =
            test::launch(context, fanout::when_all_settled(std::views::iota(0, 5), child, r), cancel.slot());
        settle(context);
        cancel.emit(asio::cancellation_type::terminal);
        settle(context);
        REQUIRE(f->done);
        CHECK(f->value->at(0).error() == errc::cancelled_by_caller);
        CHECK(f->value->at(1).has_value());
        CHECK(f->value->at(4).error() == errc::not_started);
    }
    SUBCASE("by a deadline before the next token") {
        auto f = test::launch(
            context, fanout::when_all_settled(std::views::iota(0, 5), child, r, times{.deadline = 700ms}));
        settle(context);
        manual_clock::advance(699ms, context);
        settle(context);
        CHECK_FALSE(f->done);
        manual_clock::advance(1ms, context);
        settle(context);
        REQUIRE(f->done);
        CHECK(f->value->at(0).error() == errc::timed_out);
        CHECK(f->value->at(1).has_value());
        CHECK(f->value->at(2).error() == errc::not_started);
        manual_clock::current -= 700ms;
    }
    CHECK(started == 2);
    CHECK(r.waiting() == 0);
    manual_clock::advance(999ms, context);
    CHECK(drain(r) == 0);
    manual_clock::advance(1ms, context);
    CHECK(drain(r) == 1);
}

TEST_CASE(
    "a token that comes when it is of no more use is given back, and the other fan-out has it at once") {
    rate r(1.0 / 60);
    asio::io_context context(1);
    diary d;
    asio::cancellation_signal cancel;
    drain(r);
    auto first =
        test::launch(context, fanout::when_all(std::views::iota(0, 5), std::ref(d), r), cancel.slot());
    settle(context);
    auto second = test::launch(context, fanout::when_all(std::views::iota(0, 1), std::ref(d), r));
    settle(context);
    CHECK(r.waiting() == 2);
    manual_clock::current += 1min;
    context.restart();
    while (r.waiting() == 2 && context.poll_one() > 0) { // the token is taken, and on its way
    }
    cancel.emit(asio::cancellation_type::terminal);
    settle(context);
    REQUIRE(first->done);
    CHECK(d.starts.size() == 1); // of the second
    CHECK(drain(r) == 0);
    finish(second, context, 1min);
}

TEST_CASE("a source of unknown length that has ended takes no token along") {
    rate r(1, 3);
    asio::io_context context(1);
    diary d;
    auto inputs = std::views::iota(0, 6) | std::views::filter([](int i) { return i < 3; });
    auto f = test::launch(context, fanout::when_all(std::move(inputs), std::ref(d), r));
    finish(f, context, 1s);
    CHECK(d.starts.size() == 3);
    CHECK(r.waiting() == 0);
    manual_clock::advance(1h, context);
    CHECK(drain(r) == 3);
}

TEST_CASE("a rate that is no limit in practice, and one that never gives a second token") {
    SUBCASE("huge") {
        rate r(1e18, 1e9);
        diary d;
        asio::io_context context(1);
        auto f = test::launch(context, fanout::when_all(std::views::iota(0, 2000), std::ref(d), r));
        settle(context);
        CHECK(f->done);
    }
    SUBCASE("tiny") {
        rate r(1e-300, 4);
        diary d;
        asio::io_context context(1);
        auto f =
            test::launch(context, fanout::when_all_settled(std::views::iota(0, 6), std::ref(d), r,
                                                           times{.deadline = std::chrono::hours(24 * 365)}));
        settle(context);
        CHECK(d.starts.size() == 4);
        manual_clock::advance(std::chrono::hours(24 * 365), context);
        settle(context);
        REQUIRE(f->done);
        CHECK(f->value->back().error() == errc::not_started);
    }
}

TEST_CASE("a fan-out goes with its context while it waits for a token") {
    rate r(1);
    asio::io_context other(1);
    diary d;
    auto const alive = std::make_shared<int>();
    std::shared_ptr<test::launched<std::vector<int>>> left;
    {
        asio::io_context context(1);
        auto const child = [&d, alive](int i) { return d(i); };
        auto a = test::launch(context, fanout::when_all(std::views::iota(0, 5), child, r));
        auto b = test::launch(
            context, fanout::when_all(std::views::iota(0, 5), child, fanout::all_of(fanout::limit(2), r)));
        settle(context);
        left = test::launch(other, fanout::when_all(std::views::iota(0, 2), std::ref(d), r));
        settle(other);
        CHECK(r.waiting() == 3);
    }
    CHECK(alive.use_count() == 1);
    finish(left, other, 1s);
    CHECK(d.starts.size() == 3); // one of the fan-outs that are gone had the first token
    CHECK(r.waiting() == 0);
}
