// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/semaphore.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using fanout::semaphore;
using test::manual_clock;
using namespace std::chrono_literals;

namespace {

/// Someone who waits by hand, and what came of it.
struct customer {
    customer(semaphore& s, asio::io_context& c, std::size_t weight = 1) {
        auto const got = [this](error_code e, semaphore::permit p) {
            ++calls;
            error = e;
            permit = std::move(p);
        };
        s.async_acquire(weight, asio::bind_cancellation_slot(cancel.slot(), asio::bind_executor(c, got)));
    }

    asio::cancellation_signal cancel;
    int calls = 0;
    error_code error;
    semaphore::permit permit;
};

/// Counts what runs, over several fan-outs.
struct load {
    int running = 0;
    int peak = 0;

    asio::awaitable<int> operator()(int i) {
        peak = (std::max)(peak, ++running);
        co_await test::turn();
        co_await test::turn();
        --running;
        co_return i;
    }
};

// The fan-outs of these tests are of three types, however many there are: each type is a second of compile time.
using factory = std::function<asio::awaitable<int>(int)>;
using timed = fanout::basic_options<manual_clock>;

auto all(int n, factory f, semaphore& s, timed times = {}) {
    return fanout::when_all(std::views::iota(0, n), std::move(f), s, times);
}
auto settled(int n, factory f, semaphore& s, timed times = {}) {
    return fanout::when_all_settled(std::views::iota(0, n), std::move(f), s, times);
}
auto again(int n, factory f, semaphore& s, std::chrono::nanoseconds base) {
    fanout::retry_policy const policy{.max_attempts = 2,
                                      .backoff = fanout::exponential{.base = base, .cap = 1h}};
    return fanout::retry_rejected(std::views::iota(0, n), std::move(f), policy, s, timed{});
}

} // namespace

TEST_CASE("a semaphore of 0 and a weight of 0 are refused by name") {
    CHECK_THROWS_WITH_AS(semaphore(0), doctest::Contains("fanout::semaphore"), std::invalid_argument);
    semaphore s(1);
    CHECK_THROWS_AS((void)s.try_acquire(0), std::invalid_argument);
    CHECK_THROWS_AS((void)s.async_acquire(0), std::invalid_argument);
    CHECK_THROWS_AS(s.resize(0), std::invalid_argument);
    CHECK(s.permits() == 1);
}

TEST_CASE("a permit is given back once, however it is moved about") {
    semaphore s(2);
    auto a = s.try_acquire();
    auto b = s.try_acquire();
    REQUIRE(a);
    CHECK_FALSE(s.try_acquire());
    CHECK(s.in_use() == 2);
    auto c = std::move(a);
    CHECK_FALSE(a); // NOLINT: what is left of it is empty
    auto& same = c;
    c = std::move(same);
    CHECK(c);
    b = std::move(c); // the one that b had goes back
    CHECK(s.in_use() == 1);
    b.release();
    b.release();
    CHECK(s.in_use() == 0);
    {
        auto const d = s.try_acquire(2);
        CHECK(d);
        CHECK(s.in_use() == 2);
    }
    CHECK(s.in_use() == 0);
}

TEST_CASE("first come, first served; never inside release, never before the call returns") {
    asio::io_context context(1);
    semaphore s(1);
    auto held = s.try_acquire();
    std::deque<customer> line;
    for (int i = 0; i < 3; ++i) {
        line.emplace_back(s, context);
    }
    CHECK(s.waiting() == 3);
    test::poll(context);
    CHECK(line[0].calls == 0);
    held.release();
    CHECK(line[0].calls == 0);
    CHECK_FALSE(s.try_acquire()); // it is the first one's already
    test::poll(context);
    CHECK(line[0].calls == 1);
    CHECK(line[1].calls == 0);
    line[0].permit.release();
    line[1].cancel.emit(asio::cancellation_type::total);
    test::poll(context);
    CHECK(line[1].calls == 1);
    REQUIRE(line[1].permit); // it had been granted before it was cancelled
    line[1].permit.release();
    test::poll(context);
    CHECK(line[2].permit);

    customer late(s, context);
    line[2].permit.release();
    test::poll(context);
    customer free_one(s, context, 1);
    CHECK(free_one.calls == 0);
    CHECK(late.permit);
    late.permit.release();
    test::poll(context);
    CHECK(free_one.permit);
}

TEST_CASE("one that is cancelled leaves the line, and a granted permit that is dropped goes to the next") {
    asio::io_context context(1);
    semaphore s(1);
    auto held = s.try_acquire();
    customer a(s, context), b(s, context), c(s, context);
    b.cancel.emit(asio::cancellation_type::terminal);
    b.cancel.emit(asio::cancellation_type::terminal);
    test::poll(context);
    CHECK(b.calls == 1);
    CHECK(b.error == asio::error::operation_aborted);
    CHECK_FALSE(b.permit);
    held.release();
    test::poll(context);
    REQUIRE(a.permit);
    a.permit = semaphore::permit(); // dropped
    test::poll(context);
    CHECK(c.permit);
    CHECK(s.waiting() == 0);
}

TEST_CASE("weights: light ones do not overtake a heavy one, and go on at once when it is cancelled") {
    asio::io_context context(1);
    semaphore s(3);
    auto one = s.try_acquire();
    customer heavy(s, context, 7), light(s, context, 1), other(s, context, 1);
    test::poll(context);
    CHECK(heavy.calls + light.calls + other.calls == 0);
    CHECK_FALSE(s.try_acquire());
    SUBCASE("served alone") {
        one.release();
        test::poll(context);
        CHECK(heavy.permit);
        CHECK(s.in_use() == 3);
        CHECK(light.calls == 0);
        heavy.permit.release();
        test::poll(context);
        CHECK(light.permit);
        CHECK(other.permit);
    }
    SUBCASE("cancelled") {
        heavy.cancel.emit(asio::cancellation_type::partial);
        test::poll(context);
        CHECK(heavy.error == asio::error::operation_aborted);
        CHECK(light.permit);
        CHECK(other.permit);
    }
}

TEST_CASE("more permits serve those who wait; fewer than are out is legal") {
    asio::io_context context(1);
    semaphore s(3);
    auto a = s.try_acquire(), b = s.try_acquire(), c = s.try_acquire();
    s.resize(1);
    CHECK(s.permits() == 1);
    CHECK(s.in_use() == 3);
    customer x(s, context), y(s, context);
    a.release();
    b.release();
    test::poll(context);
    CHECK(x.calls == 0);
    CHECK_FALSE(c.renewable(0));
    c.release();
    test::poll(context);
    CHECK(x.permit);
    CHECK(y.calls == 0);
    s.resize(2);
    test::poll(context);
    CHECK(y.permit);
}

TEST_CASE("a permit may be kept where nobody else waits") {
    semaphore s(1);
    asio::io_context context(1); // goes first: in the end it still has a permit for the second waiter
    auto held = s.try_acquire();
    CHECK(held.renew({}, 0));
    customer me(s, context);
    CHECK(held.renew({}, 1)); // only its holder waits
    customer another(s, context);
    CHECK_FALSE(held.renew({}, 1));
    CHECK_FALSE(held);
    test::poll(context);
    CHECK(me.permit);
}

TEST_CASE("a waiter resumes on its own executor") {
    asio::io_context here(1), there(1);
    semaphore s(1);
    auto held = s.try_acquire();
    customer a(s, here), b(s, there);
    held.release();
    test::poll(there);
    CHECK(a.calls == 0);
    test::poll(here);
    REQUIRE(a.permit);
    a.permit.release();
    test::poll(here);
    CHECK(b.calls == 0);
    test::poll(there);
    CHECK(b.permit);
}

TEST_CASE("who waits keeps its context going") {
    asio::io_context context(1);
    semaphore s(1);
    auto held = s.try_acquire();
    auto a = std::make_unique<customer>(s, context);
    asio::post(context, [&] { held.release(); });
    context.run(); // returns only when nobody waits
    CHECK(a->permit);
}

TEST_CASE("waiters of a context that is destroyed are dropped, and those behind them served") {
    semaphore s(2);
    asio::io_context other(1);
    auto held = s.try_acquire(2);
    std::optional<customer> behind;
    auto const alive = std::make_shared<int>();
    {
        asio::io_context context(1);
        for (int i = 0; i < 3; ++i) {
            s.async_acquire(2, asio::bind_executor(context, [alive](error_code, semaphore::permit) {}));
        }
        behind.emplace(s, other);
        held =
            s.try_acquire(); // gives both back: the first of the three has them, and they are on their way to it
        CHECK_FALSE(held);
        CHECK(s.waiting() == 3);
        CHECK(alive.use_count() == 4);
    }
    CHECK(alive.use_count() == 1);
    test::poll(other);
    CHECK(behind->permit);
    CHECK(s.in_use() == 1);
    CHECK(s.waiting() == 0);
}

TEST_CASE("awaited in a coroutine, a permit is given back at the end of its scope") {
    asio::io_context context(1);
    semaphore s(2);
    load l;
    auto const one = [&](int i) -> asio::awaitable<void> {
        auto const permit = co_await s.async_acquire();
        co_await l(i);
    };
    for (int i = 0; i < 10; ++i) {
        asio::co_spawn(context, one(i), asio::detached);
    }
    context.run();
    CHECK(l.peak == 2);
    CHECK(s.in_use() == 0);
}

// ---- as the limit of fan-outs

TEST_CASE("one limit over several fan-outs of any kind") {
    asio::io_context context(1);
    semaphore s(3);
    load l;
    std::set<int> tried;
    auto const fails_first = [&](int i) -> asio::awaitable<int> {
        if (tried.insert(i).second) {
            throw std::runtime_error("once");
        }
        return l(i);
    };
    auto a = test::launch(context, all(100, std::ref(l), s));
    auto b = test::launch(context, settled(100, std::ref(l), s));
    auto c = test::launch(context, again(100, fails_first, s, 0ns));
    auto pair = test::launch(context, fanout::when_all(l(1), l(2), s));
    while (!c->done) {
        manual_clock::advance(1ms, context);
    }
    test::poll(context);
    REQUIRE(a->done);
    auto const inputs = std::views::iota(0, 100);
    CHECK(*a->value == std::vector<int>(inputs.begin(), inputs.end()));
    CHECK(b->value->size() == 100);
    CHECK(c->value->failed() == 0);
    CHECK(c->value->retries() == 100);
    CHECK(pair->done);
    CHECK(l.peak == 3);
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
}

TEST_CASE("two fan-outs of 1,000 share a semaphore of 8: 40 to 60 % for each in every window of 200") {
    asio::io_context context(1);
    semaphore s(8);
    std::vector<int> starts;
    auto const child = [&](int who) -> factory {
        return [&starts, who](int i) -> asio::awaitable<int> {
            starts.push_back(who);
            for (int k = 0; k < 1 + (i * 7 + who) % 5; ++k) { // of different lengths
                co_await test::turn();
            }
            co_return i;
        };
    };
    auto a = test::launch(context, all(1000, child(0), s));
    auto b = test::launch(context, all(1000, child(1), s));
    context.run();
    REQUIRE(a->done);
    REQUIRE(b->done);
    auto const last = [&](int who) {
        return static_cast<std::size_t>(starts.rend() - std::find(starts.rbegin(), starts.rend(), who));
    };
    auto const together = (std::min)(last(0), last(1)); // after that only one has inputs left
    CHECK(together > 1800);
    auto const share = [&](std::size_t from) {
        auto const at = starts.begin() + static_cast<std::ptrdiff_t>(from);
        return std::count(at, at + 200, 0);
    };
    for (std::size_t from = 0; from + 200 <= together; ++from) {
        auto const n = share(from);
        REQUIRE_MESSAGE(n >= 80, "window from " << from);
        REQUIRE_MESSAGE(n <= 120, "window from " << from);
    }
}

TEST_CASE("a fan-out of many inputs does not keep a small one waiting") {
    asio::io_context context(1);
    semaphore s(4);
    load l;
    auto many = test::launch(context, all(10000, std::ref(l), s));
    for (int i = 0; i < 5; ++i) {
        context.poll_one();
    }
    auto const few = [](int i) -> asio::awaitable<int> {
        co_await test::turn();
        co_return i;
    };
    auto small = test::launch(context, all(3, few, s));
    int turns = 0;
    while (!small->done && context.poll_one() > 0) {
        ++turns;
    }
    CHECK(small->done);
    CHECK(turns < 200);
    CHECK_FALSE(many->done);
    test::poll(context);
    CHECK(many->done);
}

TEST_CASE("a lane keeps its permit from child to child while nobody else wants it") {
    asio::io_context context(1);
    semaphore s(4);
    load l;
    auto r = test::launch(context, all(1000, std::ref(l), s));
    test::poll(context);
    REQUIRE(r->done);
    CHECK(r->value->size() == 1000);
    CHECK(l.peak == 4);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a sleeping retry holds no permit") {
    asio::io_context context(1);
    semaphore s(1);
    auto const fails = [](int) -> asio::awaitable<int> {
        throw std::runtime_error("no");
        co_return 0;
    };
    auto r = test::launch(context, again(5, fails, s, 1h));
    test::poll(context);
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
    manual_clock::advance(2h, context);
    REQUIRE(r->done);
    CHECK(r->value->retries() == 5);
}

namespace {

/// A fan-out that waits for a permit which somebody else has.
struct starved {
    starved() : held(s.try_acquire()) {}

    asio::io_context context{1};
    semaphore s{1};
    semaphore::permit held;
    load l;
    asio::cancellation_signal cancel;
};

} // namespace

TEST_CASE("a fan-out that waits for its first permit ends at once when it is cancelled") {
    starved x;
    auto r = test::launch(x.context, settled(5, std::ref(x.l), x.s), x.cancel.slot());
    test::poll(x.context);
    CHECK(x.s.waiting() == 1);
    x.cancel.emit(asio::cancellation_type::total);
    test::poll(x.context);
    REQUIRE(r->done);
    CHECK(x.s.waiting() == 0);
    for (auto const& o : *r->value) {
        CHECK(o.error() == errc::not_started);
    }
}

TEST_CASE("a deadline ends the wait for a permit") {
    starved x;
    auto r = test::launch(x.context, settled(5, std::ref(x.l), x.s, {.deadline = 1s}));
    test::poll(x.context);
    CHECK_FALSE(r->done);
    manual_clock::advance(1s, x.context);
    REQUIRE(r->done);
    CHECK(r->value->front().error() == errc::not_started);
    CHECK(x.s.waiting() == 0);
}

TEST_CASE("a permit that is granted to a fan-out which was cancelled meanwhile goes to the next") {
    starved x;
    auto r = test::launch(x.context, all(5, std::ref(x.l), x.s), x.cancel.slot());
    test::poll(x.context);
    customer next(x.s, x.context);
    x.held.release(); // on its way
    x.cancel.emit(asio::cancellation_type::terminal);
    test::poll(x.context);
    REQUIRE(r->done);
    CHECK(r->code() == errc::cancelled_by_caller);
    CHECK(next.permit);
    CHECK(x.l.peak == 0);
}

TEST_CASE("a rejection stops a fan-out that waits for further permits") {
    asio::io_context context(1);
    semaphore s(2);
    auto other = s.try_acquire();
    test::gate g(context.get_executor());
    auto const child = [&](int i) -> asio::awaitable<int> {
        co_await g.wait(asio::deferred);
        co_return i;
    };
    auto r = test::launch(context, all(5, child, s));
    test::poll(context);
    CHECK(s.waiting() == 1);
    g.open(asio::error::connection_reset);
    test::poll(context);
    REQUIRE(r->done);
    CHECK(r->code() == asio::error::connection_reset);
    CHECK(s.waiting() == 0);
    CHECK(s.in_use() == 1);
}

TEST_CASE("a source that ends while its fan-out waits for a permit does not keep it waiting") {
    asio::io_context context(1);
    semaphore s(1);
    load l;
    auto inputs =
        std::views::iota(0, 6) | std::views::filter([](int i) { return i < 3; }); // of unknown length
    auto r = test::launch(context, fanout::when_all(std::move(inputs), factory(std::ref(l)), s));
    test::poll(context);
    REQUIRE(r->done);
    CHECK(r->value->size() == 3);
    CHECK(s.waiting() == 0);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a fan-out asks for no more permits than it has inputs") {
    starved x;
    auto none = test::launch(x.context, all(0, std::ref(x.l), x.s)); // asio#1673: an empty range completes
    test::poll(x.context);
    CHECK(none->done);
    auto one = test::launch(x.context, all(1, std::ref(x.l), x.s));
    test::poll(x.context);
    x.held.release();
    x.context.restart();
    x.context.run_one();
    x.context.run_one();
    REQUIRE(x.l.running == 1);
    CHECK(x.s.waiting() == 0);
    customer next(x.s, x.context);
    test::poll(x.context);
    CHECK(one->done);
    CHECK(next.permit);
}

TEST_CASE("children that are operations, and that complete at once, share a limit too") {
    asio::io_context context(1);
    semaphore s(2);
    auto const child = [&](int i) { // every other one within its own initiation
        return test::make_operation<void(error_code)>([&context, i](auto handler) {
            if (i % 2 == 0) {
                std::move(handler)(error_code());
            } else {
                asio::post(context, [h = std::move(handler)]() mutable { std::move(h)(error_code()); });
            }
        });
    };
    auto a = test::launch(context, fanout::when_all(std::views::iota(0, 2000), child, s));
    auto b = test::launch(context, fanout::when_all(std::views::iota(0, 2000), child, s));
    test::poll(context);
    CHECK(a->done);
    CHECK(b->done);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a fan-out of fan-outs: the inner ones share a limit that the outer one does not hold") {
    asio::io_context context(1);
    semaphore s(3);
    load l;
    auto const inner = [&](int) { return all(20, std::ref(l), s); };
    auto r = test::run(context, fanout::when_all(std::views::iota(0, 10), inner, fanout::limit(5)));
    CHECK(r->value->size() == 10);
    CHECK(l.peak == 3);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a context that is destroyed while fan-outs wait frees them, and the permits of those that run") {
    semaphore s(2);
    auto const alive = std::make_shared<int>();
    {
        asio::io_context context(1);
        test::gate g(context.get_executor());
        g.heeds = false;
        auto const child = [&g, alive](int i) -> asio::awaitable<int> {
            co_await g.wait(asio::deferred);
            co_return i;
        };
        auto a = test::launch(context, all(5, child, s));
        auto b = test::launch(context, settled(5, child, s));
        test::poll(context);
        CHECK(s.waiting() == 2);
        CHECK(s.in_use() == 2);
        g.open(); // one that never comes to its end
    }
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
    CHECK(alive.use_count() == 1);
}
