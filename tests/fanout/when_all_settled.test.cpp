// SPDX-License-Identifier: BSL-1.0

#include <fanout/observe/stats.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <doctest/doctest.h>

#include <any>
#include <memory>
#include <ranges>
#include <sstream>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

using namespace test;
using fanout::errc;
using fanout::state;

namespace {

using times = fanout::basic_options<manual_clock>;

asio::awaitable<int> various(int i) {
    co_await turn();
    switch (i) {
    case 0: co_return 7;
    case 1: throw boost::system::system_error(asio::error::connection_reset, "while reading");
    case 2: throw std::runtime_error("no code");
    case 3: throw std::system_error(std::make_error_code(std::errc::no_space_on_device));
    default: throw i;
    }
}

template <class T>
std::vector<state> states(std::vector<fanout::settled<T>> const& outcomes) {
    std::vector<state> s;
    for (auto const& o : outcomes) {
        s.push_back(fanout::state_of(o));
    }
    return s;
}

} // namespace

TEST_CASE("runs everything and tells what became of each; a thrown system_error keeps its message") {
    asio::io_context ctx(1);
    auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 5), various, fanout::limit(2)));
    auto const& o = *r->value;
    REQUIRE(o.size() == 5);
    CHECK(o[0].value() == 7);
    CHECK(o[1].error() == asio::error::connection_reset);
    try {
        (void)o[1].value();
        FAIL("value() must throw");
    } catch (boost::system::system_error const& e) {
        CHECK(std::string(e.what()).find("while reading") == 0);
    }
    CHECK(o[2].error() == errc::exception);
    CHECK_THROWS_WITH_AS((void)o[2].value(), "no code", std::runtime_error);
    CHECK(o[3].error() == boost::system::errc::no_space_on_device);
    CHECK(o[4].error() == errc::exception);
    CHECK_THROWS_AS((void)o[4].value(), int);
    CHECK(states(o) == std::vector<state>{state::fulfilled, state::rejected, state::rejected, state::rejected,
                                          state::rejected});
}

TEST_CASE("the variadic form gives a tuple of what became of each; values need no default constructor") {
    struct plain {
        explicit plain(int v) : value(v) {}
        int value;
    };
    asio::io_context ctx(1);
    auto make = [](int v) -> asio::awaitable<plain> {
        co_await turn();
        co_return plain(v);
    };
    auto const r = run(ctx, fanout::when_all_settled(make(3), various(1), turn()));
    auto const& [a, b, c] = *r->value;
    CHECK(a.value().value == 3);
    CHECK(b.error() == asio::error::connection_reset);
    CHECK(c.has_value());
}

TEST_CASE("an exception of the factory is that child's rejection") {
    asio::io_context ctx(1);
    auto child = [](int i) { return i == 1 ? throw std::runtime_error("no child") : turn(); };
    auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 3), child));
    CHECK(states(*r->value) == std::vector<state>{state::fulfilled, state::rejected, state::fulfilled});
}

TEST_CASE(
    "an exception of the source is thrown when the running children have ended, none of them cancelled") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    auto source = std::views::iota(0, 3) | std::views::transform([](int i) {
                      return i == 1 ? throw std::runtime_error("the source broke") : i;
                  });
    auto r = launch(ctx, fanout::when_all_settled(source, [&g](int) { return g.wait(asio::deferred); }));
    poll(ctx);
    CHECK_FALSE(r->done);
    CHECK(g.cancels == 0);
    g.open();
    poll(ctx);
    CHECK(r->message() == "the source broke");
}

TEST_CASE("an attempt timeout ends the child it is for, which counts as timed out, and not the next one in "
          "its lane") {
    asio::io_context ctx(1);
    std::vector<std::unique_ptr<gate>> gates;
    for (int i = 0; i < 3; ++i) {
        gates.push_back(std::make_unique<gate>(ctx.get_executor()));
    }
    auto child = [&gates](int i) -> asio::awaitable<int> {
        co_await gates[static_cast<std::size_t>(i)]->wait(asio::deferred);
        co_await turn(); // would throw where the lane were still cancelled
        co_return i;
    };
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 3), child, fanout::limit(1),
                                                  times{.attempt_timeout = 2s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(2s, ctx);
    CHECK(gates[0]->cancels == 1);
    REQUIRE(gates[1]->waiting());
    manual_clock::advance(1s, ctx);
    gates[1]->open();
    poll(ctx);
    REQUIRE(gates[2]->waiting());
    manual_clock::advance(1s, ctx); // the timeout is for each child, from its own start
    CHECK(gates[2]->cancels == 0);
    gates[2]->open();
    poll(ctx);
    REQUIRE(r->done);
    CHECK((*r->value)[0].error() == errc::timed_out);
    CHECK((*r->value)[0].error() == boost::system::errc::timed_out);
    CHECK((*r->value)[1].value() == 1);
    CHECK((*r->value)[2].value() == 2);
}

TEST_CASE("the timeouts of operations: one timer, each in its turn") {
    asio::io_context ctx(1);
    gate a(ctx.get_executor()), b(ctx.get_executor());
    std::vector<gate*> gates{&a, &b};
    auto r = launch(ctx, fanout::when_all_settled(
                             gates, [](gate* g) { return g->wait(asio::deferred); },
                             times{.attempt_timeout = 2s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    a.open();
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK(a.cancels == 0);
    CHECK((*r->value)[0].has_value());
    CHECK((*r->value)[1].error() == errc::timed_out);
}

TEST_CASE("a deadline cancels what runs, starts nothing more, and says which is which") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    int started = 0;
    auto child = [&](int i) -> asio::awaitable<int> {
        ++started;
        if (i == 1) {
            co_await g.wait(asio::deferred);
        }
        co_return i;
    };
    auto const at = manual_clock::now() + 3s;
    for (auto const deadline :
         {fanout::deadline_at<manual_clock>(at), fanout::deadline_at<manual_clock>(3s)}) {
        started = 0;
        g.cancels = 0;
        auto r = launch(
            ctx, fanout::when_all_settled(std::vector<int>{0, 1, 2, 3}, child, fanout::limit(1),
                                          times{.attempt_timeout = std::nullopt, .deadline = deadline}));
        poll(ctx);
        CHECK_FALSE(r->done);
        manual_clock::advance(3s, ctx);
        REQUIRE(r->done);
        CHECK(started == 2);
        CHECK(states(*r->value) ==
              std::vector<state>{state::fulfilled, state::timed_out, state::not_started, state::not_started});
        CHECK((*r->value)[3].error() == boost::system::errc::operation_canceled);
    }
}

TEST_CASE("a child that ends with an error of its own after its timeout keeps it") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    g.heeds = false;
    auto r = launch(ctx, fanout::when_all_settled(g.wait(asio::deferred),
                                                  times{.attempt_timeout = 2s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(2s, ctx);
    CHECK(g.cancels == 1);
    g.open(asio::error::connection_reset);
    poll(ctx);
    CHECK(std::get<0>(*r->value).error() == asio::error::connection_reset);
}

TEST_CASE("a child's own operation_aborted, which we did not cause, is its rejection") {
    asio::io_context ctx(1);
    auto child = [](int) -> asio::awaitable<void> {
        co_await turn();
        throw boost::system::system_error(asio::error::operation_aborted);
    };
    auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 1), child));
    CHECK((*r->value)[0].error() == asio::error::operation_aborted);
    CHECK(fanout::state_of((*r->value)[0]) == state::rejected);
}

TEST_CASE("stats count each input once, and the time with a permit") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    fanout::stats st;
    auto child = [&g](int i) -> asio::awaitable<void> {
        if (i == 0) {
            throw std::runtime_error("at once");
        }
        co_await g.wait(asio::deferred);
    };
    asio::cancellation_signal stop;
    auto r =
        launch(ctx, fanout::when_all_settled(std::vector<int>{0, 1, 2}, child, fanout::limit(1), st, times{}),
               stop.slot());
    poll(ctx);
    manual_clock::advance(4s, ctx);
    stop.emit(asio::cancellation_type::total);
    g.open();
    poll(ctx);
    REQUIRE(r->done);
    CHECK(st.started() == 2);
    CHECK(st.fulfilled() == 1);
    CHECK(st.rejected() == 1);
    CHECK(st.retried() == 0);
    CHECK(st.not_started() == 1);
    CHECK(st.peak_in_flight() == 1);
    CHECK(st.wall_time() == 4s);
    CHECK(st.child_time() == 4s);
    CHECK(st.effective_parallelism() == doctest::Approx(1.0));
}

TEST_CASE("effective parallelism: three children side by side for the whole time") {
    asio::io_context ctx(1);
    gate a(ctx.get_executor()), b(ctx.get_executor()), c(ctx.get_executor());
    fanout::stats st;
    auto r = launch(ctx, fanout::when_all_settled(a.wait(asio::deferred), b.wait(asio::deferred),
                                                  c.wait(asio::deferred), st, times{}));
    poll(ctx);
    manual_clock::advance(2s, ctx);
    a.open();
    b.open();
    c.open();
    poll(ctx);
    REQUIRE(r->done);
    CHECK(st.effective_parallelism() == doctest::Approx(3.0));
    CHECK(st.peak_in_flight() == 3);
}

TEST_CASE("an observer has the hooks it wants; an rvalue one is moved in") {
    struct only_starts {
        std::shared_ptr<int> count;
        void on_started(fanout::started_event const&) { ++*count; }
    };
    asio::io_context ctx(1);
    auto count = std::make_shared<int>(0);
    only_starts watcher{count};
    run(ctx, fanout::when_all_settled(std::views::iota(0, 5), various, std::move(watcher)));
    CHECK(*count == 5);
}

TEST_CASE("the states of codes") {
    CHECK(make_error_code(errc::timed_out) == boost::system::errc::timed_out);
    CHECK(make_error_code(errc::cancelled_by_sibling) == boost::system::errc::operation_canceled);
    CHECK(make_error_code(errc::cancelled_by_caller) == boost::system::errc::operation_canceled);
    CHECK(make_error_code(errc::not_started) == boost::system::errc::operation_canceled);
    CHECK(make_error_code(errc::exception) != boost::system::errc::operation_canceled);
    CHECK(std::string(fanout::category().name()) == "fanout");
    CHECK(make_error_code(errc::not_started).message() == "not started");
    CHECK(fanout::state_of(fanout::settled<int>(make_error_code(errc::not_started))) == state::not_started);
    CHECK(std::string(to_string(state::timed_out)) == "timed out");
}

TEST_CASE("values that an error code converts to, and values that cannot be assigned") {
    struct fixed {
        int const value;
    };
    asio::io_context ctx(1);
    auto anything = [](int i) -> asio::awaitable<std::any> { co_return std::any(i); };
    CHECK(std::any_cast<int>(
              (*run(ctx, fanout::when_all_settled(std::views::iota(0, 3), anything))->value)[2].value()) ==
          2);
    auto constant = [](int i) -> asio::awaitable<fixed> { co_return fixed{i}; };
    CHECK((*run(ctx, fanout::when_all_settled(std::views::iota(0, 3), constant))->value)[2].value().value ==
          2);
    CHECK((*run(ctx, fanout::when_all(std::views::iota(0, 3), constant))->value)[2].value == 2);
}

TEST_CASE("an operation may call its handler with what converts to its signature") {
    asio::io_context ctx(1);
    auto by_enum = [](int) {
        return make_operation<void(error_code)>([](auto h) { std::move(h)(asio::error::connection_reset); });
    };
    CHECK((*run(ctx, fanout::when_all_settled(std::views::iota(0, 1), by_enum))->value)[0].error() ==
          asio::error::connection_reset);
    auto by_null = [](int) {
        return make_operation<void(std::exception_ptr, int)>([](auto h) { std::move(h)(nullptr, 5); });
    };
    CHECK((*run(ctx, fanout::when_all_settled(std::views::iota(0, 1), by_null))->value)[0].value() == 5);
}

TEST_CASE("a child of awaitable_operators that times out counts as timed out, whatever its parts throw") {
    using namespace asio::experimental::awaitable_operators;
    asio::io_context ctx(1);
    gate a(ctx.get_executor()), b(ctx.get_executor());
    auto wait = [](gate& g) -> asio::awaitable<void> { co_await g.wait(asio::deferred); };
    auto either = [&](int) { return wait(a) || wait(b); };
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 1), either,
                                                  times{.attempt_timeout = 1s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(1s, ctx);
    REQUIRE(r->done);
    CHECK((*r->value)[0].error() == errc::timed_out);
}
