// SPDX-License-Identifier: BSL-1.0

#include <fanout/testing/virtual_clock.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <ratio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using fanout::testing::run;
using fanout::testing::run_for;
using fanout::testing::run_until;
using fanout::testing::virtual_clock;

namespace {

using timer = asio::basic_waitable_timer<virtual_clock>;

/// Timers on a context, and when each fired, counted from the start of the test.
struct scene {
    virtual_clock::duration now() const { return virtual_clock::now() - start; }

    /// Notes the time `delay` from now, then calls `then`.
    timer& after(virtual_clock::duration delay, std::function<void()> then = [] {}) {
        auto& t = *timers.emplace_back(std::make_unique<timer>(context));
        t.expires_after(delay);
        wait(t, std::move(then));
        return t;
    }

    void wait(timer& t, std::function<void()> then = [] {}) {
        t.async_wait([this, then = std::move(then)](error_code const& e) {
            if (e) {
                ++cancelled;
            } else {
                fired.push_back(now());
                then();
            }
        });
    }

    asio::io_context context{1};
    virtual_clock::time_point start = virtual_clock::now();
    std::vector<std::unique_ptr<timer>> timers;
    std::vector<virtual_clock::duration> fired;
    int cancelled = 0;
};

using times = std::vector<virtual_clock::duration>;

} // namespace

static_assert(virtual_clock::is_steady);
static_assert(noexcept(virtual_clock::now()));
static_assert(std::is_same_v<virtual_clock::period, std::nano>);
static_assert(std::chrono::is_clock_v<virtual_clock>);

TEST_CASE("time stands still until it is moved") {
    auto const t = virtual_clock::now();
    CHECK(virtual_clock::now() == t);
    scene x;
    x.after(1ns);
    x.context.poll();
    CHECK(x.fired.empty());
    CHECK(virtual_clock::now() == t);
}

TEST_CASE("run: jumps from timer to timer, each handler at exactly its time, and tells what passed") {
    scene x;
    x.after(3h, [&] { x.after(30min); });
    x.after(1ns);
    x.after(1h, [&] { x.after(5h); });
    CHECK(run(x.context) == 6h);
    CHECK(x.fired == times{1ns, 1h, 3h, 3h + 30min, 6h});
    CHECK(x.now() == 6h);
}

TEST_CASE("run: without a timer what was posted runs, and no time passes") {
    scene x;
    int posted = 0;
    asio::post(x.context, [&] { asio::post(x.context, [&] { ++posted; }); });
    CHECK(run(x.context) == 0ns);
    CHECK(posted == 1);
    CHECK(run(x.context) == 0ns); // nothing at all to do
}

TEST_CASE("run: many timers, many of them due at the same instant, fire in the order of time") {
    scene x;
    std::mt19937 random(5);
    times expected;
    for (int i = 0; i < 3000; ++i) {
        auto const at = std::chrono::minutes(random() % 100);
        expected.push_back(at);
        x.after(at);
    }
    std::sort(expected.begin(), expected.end());
    CHECK(run(x.context) == expected.back());
    CHECK(x.fired == expected);
}

TEST_CASE("run: what a handler schedules for the same instant runs at that instant") {
    scene x;
    int left = 100;
    std::function<void()> const again = [&] {
        if (--left > 0) {
            x.after(0ns, again);
        }
    };
    x.after(1min, again);
    x.after(2min);
    CHECK(run(x.context) == 2min);
    CHECK(x.fired == [] {
        times t(100, 1min);
        t.push_back(2min);
        return t;
    }());
}

TEST_CASE("run: a timer that is set for the past fires at once, and time does not go back") {
    scene x;
    x.after(10s, [&] {
        auto& t = x.after(1h);
        t.expires_at(virtual_clock::now() - 5s); // cancels the wait
        x.wait(t);
        t.expires_at(x.start - 5s);
        x.wait(t, [&] { x.after(1s); });
    });
    CHECK(run(x.context) == 11s);
    CHECK(x.fired == times{10s, 10s, 11s});
    CHECK(x.cancelled == 2);
}

TEST_CASE("run: a timer from before the epoch fires at once") {
    scene x;
    timer t(x.context, (virtual_clock::time_point::min)());
    x.wait(t);
    CHECK(run(x.context) == 0ns);
    CHECK(x.fired == times{0ns});
}

TEST_CASE("run: a cancelled timer moves no time") {
    scene x;
    auto& gone = x.after(1h);
    SUBCASE("by a handler, nothing left") {
        x.after(1s, [&] { gone.cancel(); });
        CHECK(run(x.context) == 1s);
    }
    SUBCASE("by a handler, a later one left") {
        x.after(1s, [&] { gone.cancel(); });
        x.after(2h);
        x.after(90min, [&] { CHECK(x.now() == 90min); });
        CHECK(run(x.context) == 2h);
        CHECK(x.fired == times{1s, 90min, 2h});
    }
    SUBCASE("by a handler, other work left") {
        auto const work = asio::make_work_guard(x.context);
        x.after(1s, [&] { gone.cancel(); });
        CHECK_THROWS_AS(run(x.context), std::logic_error);
        CHECK(x.now() == 1s);
    }
    SUBCASE("before the run") {
        gone.cancel();
        CHECK(run(x.context) == 0ns);
    }
    SUBCASE("by its destructor") {
        x.after(1s, [&] { x.timers.front().reset(); });
        CHECK(run(x.context) == 1s);
    }
    CHECK(x.cancelled == 1);
}

TEST_CASE("run: what waits for no timer of the clock is refused with a sentence, not waited for") {
    scene x;
    auto const says = [&](char const* part) {
        try {
            run(x.context);
        } catch (std::logic_error const& e) {
            return std::string(e.what()).find(part) != std::string::npos;
        }
        return false;
    };
    SUBCASE("for ever") {
        auto const work = asio::make_work_guard(x.context);
        x.after(1s);
        CHECK(says("no timer of virtual_clock is pending"));
        CHECK(x.fired == times{1s});
        CHECK(says("no timer of virtual_clock is pending")); // and again
        x.after(1s);
        CHECK(says("no timer of virtual_clock is pending"));
        CHECK(x.now() == 2s);
    }
    SUBCASE("for a socket") {
        asio::ip::udp::socket socket(x.context, asio::ip::udp::endpoint(asio::ip::udp::v4(), 0));
        socket.async_wait(asio::ip::udp::socket::wait_read, [](error_code const&) {});
        CHECK(says("socket"));
        CHECK(x.now() == 0s);
    }
    SUBCASE("for another clock") {
        asio::steady_timer other(x.context, 24h);
        other.async_wait([](error_code const&) {});
        x.after(1s, [&] { other.cancel(); });
        CHECK(run(x.context) == 1s);
        other.expires_after(24h);
        other.async_wait([](error_code const&) {});
        CHECK(says("another clock"));
    }
    SUBCASE("for a timer that is never due") {
        timer never(x.context, (virtual_clock::time_point::max)());
        x.wait(never);
        x.after(1h);
        CHECK(says("no timer of virtual_clock is pending"));
        CHECK(x.now() == 1h);
        x.after(1h, [&] { never.cancel(); });
        CHECK(run(x.context) == 1h);
        CHECK(x.cancelled == 1);
    }
    SUBCASE("for a time that cannot be counted") {
        auto& never = x.after((virtual_clock::duration::max)());
        CHECK(never.expiry() == (virtual_clock::time_point::max)());
        CHECK(says("no timer of virtual_clock is pending"));
        CHECK(x.now() == 0s);
    }
}

TEST_CASE("run: a handler that stops the context ends it there; the next run restarts it and goes on") {
    scene x;
    x.after(1s, [&] {
        x.after(0s);
        x.context.stop();
    });
    x.after(1s);
    x.after(2s);
    CHECK(run(x.context) == 1s);
    CHECK(x.fired == times{1s});
    CHECK(x.context.stopped());
    CHECK(run(x.context) == 1s);
    CHECK(x.fired == times{1s, 1s, 1s, 2s});
}

TEST_CASE("run: an exception leaves it at the time of the handler; the next run goes on") {
    scene x;
    x.after(1s, [] { throw std::runtime_error("in a handler"); });
    x.after(1s);
    x.after(3s);
    CHECK_THROWS_WITH_AS(run(x.context), "in a handler", std::runtime_error);
    CHECK(x.now() == 1s);
    CHECK(run(x.context) == 2s);
    CHECK(x.fired == times{1s, 1s, 3s});
}

TEST_CASE("run_for, run_until: all that is due by then, each at its time, and then it is that time") {
    scene x;
    x.after(1s, [&] { x.after(1s); });
    x.after(3s);
    x.after(4s);
    run_for(x.context, 3s);
    CHECK(x.fired == times{1s, 2s, 3s});
    CHECK(x.now() == 3s);
    run_for(x.context, 999ms);
    CHECK(x.fired.size() == 3);
    CHECK(x.now() == 3999ms);
    run_until(x.context, x.start + 4s);
    CHECK(x.fired == times{1s, 2s, 3s, 4s});
    run_for(x.context, 1h); // nothing left
    CHECK(x.now() == 1h + 4s);
    CHECK(x.context.stopped());
    auto const work = asio::make_work_guard(x.context);
    run_for(x.context, 1h); // work that waits for no timer is no error here
    CHECK(x.now() == 2h + 4s);
}

TEST_CASE("run_for: with nothing to wait for, what is due now runs") {
    scene x;
    x.after(0s);
    x.after(1ns);
    run_for(x.context, 0s);
    CHECK(x.fired == times{0s});
    CHECK_FALSE(x.context.stopped());
}

TEST_CASE("run_for: a handler that stops the context ends it at that handler's time") {
    scene x;
    x.after(1s, [&] { x.context.stop(); });
    x.after(2s);
    run_for(x.context, 1h);
    CHECK(x.now() == 1s);
    run_for(x.context, 1h);
    CHECK(x.fired == times{1s, 2s});
    CHECK(x.now() == 1h + 1s);
}

TEST_CASE("run_for: an exception leaves it; the next one goes on") {
    scene x;
    x.after(1s, [] { throw std::runtime_error("in a handler"); });
    x.after(2s);
    CHECK_THROWS_AS(run_for(x.context, 5s), std::runtime_error);
    CHECK(x.now() == 1s);
    run_for(x.context, 5s);
    CHECK(x.fired == times{1s, 2s});
    CHECK(x.now() == 6s);
}

TEST_CASE("advance: one jump, timers in between see the later time") {
    scene x;
    x.after(1s, [&] { x.after(1s); });
    x.after(2s);
    x.after(5s);
    virtual_clock::advance(3s, x.context);
    CHECK(x.fired == times{3s, 3s});
    virtual_clock::advance(999ms, x.context);
    CHECK(x.fired.size() == 2);
    virtual_clock::advance(1ms, x.context);
    CHECK(x.fired == times{3s, 3s, 4s});
    virtual_clock::advance(1h, x.context);
    CHECK(x.fired == times{3s, 3s, 4s, 1h + 4s});
    x.after(0s);
    virtual_clock::advance(0s, x.context);
    CHECK(x.fired.size() == 5);
}

TEST_CASE("time runs forwards, and not beyond its end") {
    scene x;
    x.after(0s);
    CHECK_THROWS_AS(run_for(x.context, -1ns), std::invalid_argument);
    CHECK_THROWS_AS(run_until(x.context, virtual_clock::now() - 1ns), std::invalid_argument);
    CHECK_THROWS_AS(virtual_clock::advance(-1ns, x.context), std::invalid_argument);
    auto const most = (virtual_clock::duration::max)();
    CHECK_THROWS_AS(run_for(x.context, most), std::invalid_argument);
    CHECK_THROWS_AS(run_until(x.context, (virtual_clock::time_point::max)()), std::invalid_argument);
    CHECK_THROWS_AS(virtual_clock::advance(most, x.context), std::invalid_argument);
    CHECK(x.now() == 0s);
    CHECK(x.fired.empty());
    run_for(x.context, 1s);
    CHECK_THROWS_AS(run_for(x.context, most - 1ns), std::invalid_argument);
    CHECK_THROWS_AS(virtual_clock::advance(most - 1ns, x.context), std::invalid_argument);
    auto const end = (virtual_clock::time_point::max)() - 1ns;
    x.after(1h);
    run_until(x.context, end);
    CHECK(x.fired == times{0s, 1h + 1s});
    CHECK_THROWS_AS(virtual_clock::advance(1ns, x.context), std::invalid_argument);
    CHECK(virtual_clock::now() == end);
    virtual_clock::current = x.start;
}

TEST_CASE("a test may set the time, back too, and before the epoch") {
    scene x;
    x.after(1h);
    virtual_clock::current = virtual_clock::time_point(-10h);
    x.start = virtual_clock::now();
    timer never(x.context, (virtual_clock::time_point::max)());
    x.wait(never, [] { FAIL("it was due"); });
    x.after(1min);
    run_for(x.context, 9h);
    CHECK(x.fired == times{1min});
    x.timers.front()->cancel();
    CHECK_THROWS_AS(run(x.context), std::logic_error); // though it is further off than can be counted
    x.after(0s, [&] { never.cancel(); });
    run(x.context);
    CHECK(x.now() == 9h);
    virtual_clock::current = {};
}

TEST_CASE("a handler cannot run its own context") {
    scene x;
    std::vector<std::function<void()>> const all{
        [&] { run(x.context); },
        [&] { run_for(x.context, 1s); },
        [&] { run_until(x.context, virtual_clock::now()); },
        [&] { virtual_clock::advance(1s, x.context); },
    };
    for (auto const& one : all) {
        x.after(1s, [&] { CHECK_THROWS_AS(one(), std::logic_error); });
    }
    CHECK(run(x.context) == 1s);
    CHECK(x.fired.size() == all.size());
}

TEST_CASE("a handler may run another context: the time it takes has passed for both") {
    scene outer;
    scene inner;
    outer.after(1s, [&] {
        inner.after(10s);
        CHECK(run(inner.context) == 10s);
    });
    outer.after(5s);
    outer.after(20s);
    SUBCASE("run") { CHECK(run(outer.context) == 20s); }
    SUBCASE("run_for, which time has overtaken then") {
        run_for(outer.context, 3s);
        CHECK(outer.now() == 11s);
        CHECK(outer.fired == times{1s, 11s});
        CHECK(run(outer.context) == 9s);
    }
    CHECK(inner.fired == times{11s});
    CHECK(outer.fired == times{1s, 11s, 20s}); // the second was late
}

TEST_CASE("contexts one after another on a thread share the time, not the timers") {
    scene first;
    first.after(1h);
    run_for(first.context, 1min);
    {
        scene second;
        second.after(1s);
        CHECK(run(second.context) == 1s);
        auto const work = asio::make_work_guard(second.context);
        CHECK_THROWS_AS(run(second.context), std::logic_error); // the first one's timer is none of its own
        CHECK(second.now() == 1s);
    }
    CHECK(run(first.context) == 59min - 1s);
    CHECK(first.fired == times{1h});
}

TEST_CASE("a context for any number of threads serves as well") {
    asio::io_context context;
    int n = 0;
    timer t(context);
    std::function<void(error_code const&)> const again = [&](error_code const&) {
        if (++n < 1000) {
            t.expires_after(1s);
            t.async_wait(again);
        }
    };
    again({});
    CHECK(run(context) == 999s);
    CHECK(n == 1000);
}
