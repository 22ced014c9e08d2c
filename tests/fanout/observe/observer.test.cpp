// SPDX-License-Identifier: BSL-1.0
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_executor.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace test;
using timer = asio::basic_waitable_timer<manual_clock>;
using options = fanout::basic_options<manual_clock>;

std::string ms(std::chrono::nanoseconds d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

/// Writes down all that it is told, a line an event.
struct diary {
    std::vector<std::string> lines;

    void on_begun(fanout::begun_event const& e) {
        lines.push_back("begun " + (e.inputs ? std::to_string(*e.inputs) : "?"));
    }
    void on_limit(fanout::limit_event const& e) {
        lines.push_back(ms(e.at) + " limit " + std::to_string(e.limit));
    }
    void on_started(fanout::started_event const& e) {
        lines.push_back(ms(e.at) + " start " + child(e) + " waited " + ms(e.waited));
    }
    void on_settled(fanout::settled_event const& e) {
        lines.push_back(ms(e.at) + ' ' + fanout::to_string(e.what) + ' ' + child(e) + " waited " +
                        ms(e.waited) + (e.retried ? " retried" : "") + (e.overloaded ? " overloaded" : ""));
    }
    void on_retry(fanout::retry_event const& e) { lines.push_back(ms(e.at) + " sleeps " + ms(e.delay)); }
    void on_stopped(fanout::stopped_event const& e) {
        char const* const why[] = {"rejection", "caller", "deadline", "source"};
        lines.push_back(ms(e.at) + " stopped by " + why[static_cast<int>(e.why)] +
                        (e.cancels ? ", cancels" : ""));
    }
    void on_finished(fanout::finished_event const& e) {
        lines.push_back(ms(e.at) + " finished, not started " + std::to_string(e.not_started));
    }

    std::vector<std::string> only(std::string const& what) const {
        std::vector<std::string> out;
        for (auto const& l : lines) {
            if (l.find(what) != std::string::npos) {
                out.push_back(l);
            }
        }
        return out;
    }

private:
    static std::string child(auto const& e) {
        return std::to_string(e.index) + '.' + std::to_string(e.attempt) + " on lane " +
               std::to_string(e.lane) + " of " + std::to_string(e.in_flight);
    }
};

using lines = std::vector<std::string>;

/// Sleeps so many milliseconds; 30 fails, the first time.
struct sleeper {
    int* failures;
    asio::awaitable<void> operator()(int milliseconds) const {
        timer t(co_await asio::this_coro::executor, std::chrono::milliseconds(milliseconds));
        co_await t.async_wait(asio::deferred);
        if (milliseconds == 30 && (*failures)-- > 0) {
            throw std::runtime_error("30");
        }
    }
};

struct fixture {
    asio::io_context context{1};
    int failures = 1;
    sleeper sleep{&failures};
    std::vector<int> inputs{30, 20, 20};
    diary told;

    fixture() { manual_clock::current = {}; }
    void run() {
        context.restart();
        fanout::testing::run(context);
    }
};

} // namespace

TEST_CASE_FIXTURE(fixture,
                  "an observer is told of each attempt, its lane, and how long it waited for a permit") {
    auto const done = launch(
        context, fanout::retry_rejected(
                     inputs, sleep, fanout::retry_policy{.max_attempts = 2, .backoff = fanout::constant{5ms}},
                     fanout::limit(2), options{}, fanout::observe(told)));
    run();
    REQUIRE(done->done);
    CHECK(told.lines ==
          lines{"begun 3", "0 limit 2", "0 start 0.1 on lane 0 of 1 waited 0",
                "0 start 1.1 on lane 1 of 2 waited 0", "20 fulfilled 1.1 on lane 1 of 1 waited 0",
                "20 start 2.1 on lane 1 of 2 waited 20", "30 rejected 0.1 on lane 0 of 1 waited 0 retried",
                "30 sleeps 5", "35 start 0.2 on lane 0 of 2 waited 0",
                "40 fulfilled 2.1 on lane 1 of 1 waited 20", "65 fulfilled 0.2 on lane 0 of 0 waited 0",
                "65 finished, not started 0"});
}

TEST_CASE_FIXTURE(fixture, "a retry waits for its permit from the end of its sleep on") {
    auto const done = launch(
        context, fanout::retry_rejected(
                     inputs, sleep, fanout::retry_policy{.max_attempts = 2, .backoff = fanout::constant{5ms}},
                     fanout::limit(1), options{}, fanout::observe(told)));
    run();
    REQUIRE(done->done);
    // Its sleep is over at 35, and the permit is free at 50.
    CHECK(told.only(" 0.2 ") ==
          lines{"50 start 0.2 on lane 0 of 1 waited 15", "80 fulfilled 0.2 on lane 0 of 0 waited 15"});
}

TEST_CASE_FIXTURE(fixture, "a rejection that ends the fan-out is told before what it stops") {
    auto const done = launch(context, fanout::when_all(inputs, sleep, fanout::limit(2), options{}, told));
    run();
    CHECK(done->message() == "30");
    auto const from = told.lines.size() - 5;
    CHECK(lines(told.lines.begin() + static_cast<std::ptrdiff_t>(from), told.lines.end()) ==
          lines{"20 start 2.1 on lane 1 of 2 waited 20", "30 rejected 0.1 on lane 0 of 1 waited 0",
                "30 stopped by rejection, cancels", "30 cancelled 2.1 on lane 1 of 0 waited 20",
                "30 finished, not started 0"});
}

TEST_CASE_FIXTURE(fixture, "a caller who cancels twice is told of twice, and what ran on is then cancelled") {
    asio::cancellation_signal signal;
    failures = 0;
    auto const done =
        launch(context, fanout::when_all(inputs, sleep, fanout::limit(2), options{}, told), signal.slot());
    poll(context);
    manual_clock::current += 1ms;
    signal.emit(asio::cancellation_type::total);
    manual_clock::current += 1ms;
    signal.emit(asio::cancellation_type::terminal);
    signal.emit(asio::cancellation_type::terminal);
    run();
    CHECK(done->done);
    CHECK(told.only("stopped") == lines{"1 stopped by caller", "2 stopped by caller, cancels"});
    CHECK(told.lines.back() == "2 finished, not started 1");
}

TEST_CASE_FIXTURE(fixture, "a deadline is told, and that it cancels") {
    auto const done =
        launch(context, fanout::when_all(inputs, sleep, fanout::limit(2), options{.deadline = 7ms}, told));
    run();
    CHECK(done->code() == fanout::errc::timed_out);
    CHECK(told.only("stopped") == lines{"7 stopped by deadline, cancels"});
}

TEST_CASE_FIXTURE(fixture, "a source that throws is told") {
    auto const throws = [](int) -> int { throw std::runtime_error("source"); };
    auto broken = inputs | std::views::transform(throws);
    auto const done = launch(context, fanout::when_all(broken, sleep, options{}, fanout::observe(told)));
    run();
    CHECK(done->message() == "source");
    CHECK(told.lines == lines{"begun 3", "0 stopped by source", "0 finished, not started 3"});
}

namespace {

/// Cannot be begun.
struct broken_range : std::vector<int> {
    iterator begin() { throw std::runtime_error("begin"); }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "the beginning is told first, also where the source cannot be begun") {
    broken_range broken;
    auto const done =
        launch(context, fanout::when_all(broken, sleep, fanout::limit(2), options{}, fanout::observe(told)));
    run();
    CHECK(done->message() == "begin");
    CHECK(told.lines == lines{"begun 0", "0 limit 2", "0 stopped by source", "0 finished, not started 0"});
}

TEST_CASE_FIXTURE(fixture, "the beginning is told first, also where the caller cancels before it") {
    asio::cancellation_signal signal;
    auto done = false;
    auto const post = [this](int) { return asio::post(context, asio::deferred); };
    fanout::when_all(inputs, post, options{}, fanout::observe(told))(asio::bind_cancellation_slot(
        signal.slot(), asio::bind_executor(context, [&](auto) { done = true; })));
    signal.emit(asio::cancellation_type::terminal);
    CHECK(told.lines.empty());
    run();
    CHECK(done);
    CHECK(told.lines == lines{"begun 3", "0 stopped by caller", "0 finished, not started 3"});
}

TEST_CASE_FIXTURE(fixture, "a stop cancels nobody where no child runs, though one was about to start") {
    asio::cancellation_signal signal;
    auto const cancels = [&signal](int i) { return signal.emit(asio::cancellation_type::terminal), i; };
    auto source = inputs | std::views::transform(cancels);
    auto const done =
        launch(context, fanout::when_all(source, sleep, options{}, fanout::observe(told)), signal.slot());
    run();
    CHECK(done->code() == fanout::errc::cancelled_by_caller);
    CHECK(told.lines == lines{"begun 3", "0 stopped by caller", "0 finished, not started 3"});
}

TEST_CASE_FIXTURE(fixture,
                  "in flight are those that have started, also where lanes have strands of their own") {
    auto const post = [this](int) { return asio::post(context, asio::deferred); };
    auto const done = launch(context, fanout::when_all(inputs, post, fanout::limit(2), options{},
                                                       fanout::on(context.get_executor()), told));
    run();
    CHECK(done->done);
    CHECK(told.only(" start ") == lines{"0 start 0.1 on lane 0 of 1 waited 0",
                                        "0 start 1.1 on lane 1 of 2 waited 0",
                                        "0 start 2.1 on lane 0 of 2 waited 0"});
}

TEST_CASE_FIXTURE(fixture, "a limit that moves is told where a start or an end finds it changed") {
    fanout::semaphore two(2);
    failures = 0;
    auto const done = launch(context, fanout::when_all(inputs, sleep, two, options{}, fanout::observe(told)));
    poll(context);
    two.resize(5);
    run();
    CHECK(done->done);
    CHECK(told.only("limit") == lines{"0 limit 2", "0 limit 5"});

    told.lines.clear();
    auto const less = launch(
        context, fanout::when_all(inputs, sleep, fanout::weighted(two, 2), options{}, fanout::observe(told)));
    run();
    CHECK(less->done);
    CHECK(told.only("limit") == lines{"0 limit 2"}); // children, of two permits each

    told.lines.clear();
    auto const free = launch(context, fanout::when_all(inputs, sleep, options{}, fanout::observe(told)));
    run();
    CHECK(free->done);
    CHECK(told.only("limit").empty());
}

namespace {

struct secretive : fanout::semaphore {
    using semaphore::semaphore;
    std::size_t limit() const { throw std::runtime_error("no number"); }
};

} // namespace

TEST_CASE_FIXTURE(fixture,
                  "a limit that throws where it is asked for its number is not told, and disturbs nobody") {
    secretive two(2);
    failures = 0;
    auto const done = launch(context, fanout::when_all(inputs, sleep, two, options{}, fanout::observe(told)));
    run();
    REQUIRE(done->done);
    CHECK(done->message() == "");
    CHECK(told.only("limit").empty());
    CHECK(told.only("fulfilled").size() == 3);
}

namespace {

struct only_finished {
    std::vector<int>* order;
    int name;
    void on_finished(fanout::finished_event const&) { order->push_back(name); }
};

} // namespace

TEST_CASE_FIXTURE(fixture,
                  "observers that are put together are told in order, each of what it has a hook for") {
    std::vector<int> order;
    only_finished first{&order, 1};
    failures = 0;
    auto all =
        fanout::observe(first, only_finished{&order, 2}, fanout::observe(told, only_finished{&order, 3}));
    static_assert(fanout::observer<decltype(all)>);
    auto const done =
        launch(context, fanout::when_all(inputs, sleep, fanout::limit(2), options{}, std::move(all)));
    run();
    CHECK(done->done);
    CHECK(order == std::vector{1, 2, 3});
    CHECK(told.lines.size() == 9);
}

namespace {

/// Its hooks take anything, and do not change it.
struct any_event {
    int* events;
    template <class Event>
    void on_started(Event const&) const {
        ++*events;
    }
    void on_finished(auto&&) const { ++*events; }
};

} // namespace

TEST_CASE_FIXTURE(fixture, "a hook may be a template, and const where its observer is") {
    int events = 0;
    any_event const unchanging{&events};
    failures = 0;
    auto const one = launch(context, fanout::when_all(inputs, sleep, options{}, unchanging));
    auto const both = launch(
        context, fanout::when_all(inputs, sleep, options{}, fanout::observe(unchanging, any_event{&events})));
    run();
    CHECK(one->done);
    CHECK(both->done);
    CHECK(events == 3 * (3 + 1));
}

TEST_CASE("what is put together has only the hooks of its parts, and nothing of nothing") {
    using one = decltype(fanout::observe(std::declval<only_finished&>()));
    static_assert(fanout::detail::has_on_finished<one>);
    static_assert(!fanout::detail::has_on_started<one>);
    static_assert(!fanout::detail::has_on_settled<one>);
    using none = decltype(fanout::observe());
    static_assert(fanout::observer<none>);
    static_assert(!fanout::detail::watches<none>);
    static_assert(std::is_empty_v<none>);
}
