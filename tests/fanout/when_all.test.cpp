// SPDX-License-Identifier: BSL-1.0

#include <fanout/observe/stats.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/outcome/result.hpp>
#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <ranges>
#include <sstream>
#include <string>
#include <vector>

namespace outcome = boost::outcome_v2;
using namespace test;

namespace {

asio::awaitable<int> twice(int i) {
    co_await turn();
    co_return 2 * i;
}

asio::awaitable<int> refuse(int i, int bad) {
    co_await turn();
    if (i == bad) {
        throw std::runtime_error("input " + std::to_string(i));
    }
    co_return i;
}

/// Neither copyable nor default constructible.
struct token {
    explicit token(int v) : value(std::make_unique<int>(v)) {}
    std::unique_ptr<int> value;
};

} // namespace

TEST_CASE("values come in the order of the inputs, whatever the order of the ends") {
    asio::io_context ctx(1);
    std::vector<std::unique_ptr<gate>> gates;
    for (int i = 0; i < 3; ++i) {
        gates.push_back(std::make_unique<gate>(ctx.get_executor()));
    }
    auto child = [&](int i) -> asio::awaitable<std::string> {
        co_await gates[static_cast<std::size_t>(i)]->wait(asio::deferred);
        co_return std::string(1, static_cast<char>('a' + i));
    };
    auto r = launch(ctx, fanout::when_all(std::views::iota(0, 3), child));
    poll(ctx);
    for (int i : {2, 0, 1}) {
        CHECK_FALSE(r->done);
        gates[static_cast<std::size_t>(i)]->open();
        poll(ctx);
    }
    REQUIRE(r->done);
    CHECK(*r->value == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("asio#1119: ranges, not only variadics") {
    asio::io_context ctx(1);
    std::vector<int> const constant{1, 2, 3};
    std::list<int> list{1, 2, 3};
    std::vector<int> const doubled{2, 4, 6};
    CHECK(*run(ctx, fanout::when_all(constant, twice))->value == doubled);
    CHECK(*run(ctx, fanout::when_all(list, twice))->value == doubled);
    CHECK(*run(ctx, fanout::when_all(std::vector<int>{1, 2, 3}, twice))->value == doubled);
    CHECK(*run(ctx, fanout::when_all(std::views::iota(1, 4), twice))->value == doubled);
    std::istringstream words("1 2 3");
    CHECK(*run(ctx, fanout::when_all(std::views::istream<int>(words), twice, fanout::limit(2)))->value ==
          doubled);
    std::vector<asio::awaitable<int>> children;
    for (int i = 1; i < 4; ++i) {
        children.push_back(twice(i));
    }
    CHECK(*run(ctx, fanout::when_all(children))->value == doubled);
    children.clear();
    children.push_back(twice(9));
    CHECK(*run(ctx, fanout::when_all(std::move(children)))->value == std::vector<int>{18});
}

TEST_CASE("asio#1673: an empty range completes") {
    asio::io_context ctx(1);
    std::vector<int> none;
    CHECK(run(ctx, fanout::when_all(none, twice))->value->empty());
    CHECK(run(ctx, fanout::when_all(none, [](int) { return turn(); }, fanout::limit(1)))->value.has_value());
    CHECK(run(ctx, fanout::when_all(std::vector<asio::awaitable<int>>{}))->value->empty());
}

TEST_CASE("asio#1303: results without default constructor, move-only, bool") {
    asio::io_context ctx(1);
    auto make = [](int i) -> asio::awaitable<token> {
        co_await turn();
        co_return token(i);
    };
    auto const r = run(ctx, fanout::when_all(std::views::iota(0, 3), make));
    CHECK(*(*r->value)[2].value == 2);
    auto odd = [](int i) -> asio::awaitable<bool> { co_return i % 2 == 1; };
    CHECK(*run(ctx, fanout::when_all(std::views::iota(0, 3), odd))->value ==
          std::vector<bool>{false, true, false});
}

TEST_CASE("golang/go#61611: queued work does not start after the failure") {
    asio::io_context ctx(1);
    int started = 0;
    auto child = [&started](int i) {
        ++started;
        return refuse(i, 1);
    };
    auto const r = run(ctx, fanout::when_all(std::views::iota(0, 100), child, fanout::limit(2)));
    CHECK(r->message() == "input 1");
    CHECK(started <= 3); // 0 and 1, and what took 0's place before 1 failed
}

TEST_CASE(
    "a failure cancels the siblings and waits for them; then it is thrown, not what the siblings end with") {
    asio::io_context ctx(1);
    gate stubborn(ctx.get_executor()), obedient(ctx.get_executor());
    stubborn.heeds = false;
    auto child = [&](int i) -> asio::awaitable<void> {
        if (i == 0) {
            co_await stubborn.wait(asio::deferred);
        } else if (i == 1) {
            co_await obedient.wait(asio::deferred);
        } else {
            co_await turn();
            throw std::runtime_error("the first failure");
        }
    };
    auto r = launch(ctx, fanout::when_all(std::views::iota(0, 3), child));
    poll(ctx);
    CHECK(obedient.cancels == 1);
    CHECK(stubborn.cancels == 1);
    CHECK(stubborn.last_cancel == asio::cancellation_type::terminal);
    CHECK_FALSE(r->done); // nothing runs after return, so it does not return yet
    stubborn.open(asio::error::connection_reset);
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->message() == "the first failure");
}

TEST_CASE("children of different types, awaitables and operations, side by side") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    auto r = launch(ctx, fanout::when_all(twice(4), g.wait(asio::deferred), turn(),
                                          fanout::when_all(std::vector<int>{1, 2}, twice), fanout::limit(4)));
    poll(ctx);
    CHECK_FALSE(r->done);
    g.open();
    poll(ctx);
    REQUIRE(r->done);
    auto& [number, opened, turned, nested] = *r->value;
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(turned)>, std::monostate>);
    CHECK(number == 8);
    CHECK(nested == std::vector<int>{2, 4});
}

TEST_CASE("the variadic form heeds its limit") {
    asio::io_context ctx(1);
    gate a(ctx.get_executor()), b(ctx.get_executor());
    fanout::stats st;
    auto r = launch(
        ctx, fanout::when_all(a.wait(asio::deferred), b.wait(asio::deferred), turn(), st, fanout::limit(1)));
    poll(ctx);
    CHECK(a.waiting());
    CHECK(b.waits == 0);
    a.open();
    poll(ctx);
    CHECK(b.waiting());
    b.open();
    poll(ctx);
    CHECK(r->done);
    CHECK(st.peak_in_flight() == 1);
}

TEST_CASE("operations are children without a coroutine, also those that end within their own initiation") {
    asio::io_context ctx(1);
    int started = 0;
    auto at_once = [&started](int) {
        ++started;
        return make_operation<void(error_code, int)>(
            [](auto handler) { std::move(handler)(error_code(), 7); });
    };
    auto const r = run(ctx, fanout::when_all(std::views::iota(0, 10000), at_once, fanout::limit(8)));
    CHECK(r->value->size() == 10000);
    CHECK(r->value->back() == 7);
    CHECK(started == 10000);
}

TEST_CASE("an operation's errors: an error code, an exception, a throwing initiation") {
    asio::io_context ctx(1);
    auto by_code = [](int) {
        return make_operation<void(error_code)>(
            [](auto h) { std::move(h)(error_code(asio::error::connection_refused)); });
    };
    CHECK(run(ctx, fanout::when_all(std::views::iota(0, 3), by_code))->code() ==
          asio::error::connection_refused);
    auto by_exception = [](int) {
        return make_operation<void(std::exception_ptr, int)>(
            [](auto h) { std::move(h)(std::make_exception_ptr(std::runtime_error("odd")), 0); });
    };
    CHECK(run(ctx, fanout::when_all(std::views::iota(0, 3), by_exception))->message() == "odd");
    auto throwing = [](int) {
        return make_operation<void(error_code)>([](auto) { throw std::runtime_error("not even begun"); });
    };
    CHECK(run(ctx, fanout::when_all(std::views::iota(0, 3), throwing, fanout::limit(1)))->message() ==
          "not even begun");
}

TEST_CASE("a factory that throws fails the fan-out when the running children have ended") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    g.heeds = false;
    auto child = [&g](int i) {
        if (i == 1) {
            throw std::runtime_error("no child for 1");
        }
        return g.wait(asio::deferred);
    };
    auto r = launch(ctx, fanout::when_all(std::views::iota(0, 3), child));
    poll(ctx);
    CHECK_FALSE(r->done);
    CHECK(g.waits == 1);
    g.open();
    poll(ctx);
    CHECK(r->message() == "no child for 1");
}

TEST_CASE("a source that throws is reported when the running children have ended") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    g.heeds = false;
    auto source = std::views::iota(0, 3) | std::views::transform([](int i) {
                      return i == 1 ? throw std::runtime_error("the source broke") : i;
                  });
    auto r = launch(ctx, fanout::when_all(source, [&g](int) { return g.wait(asio::deferred); }));
    poll(ctx);
    CHECK_FALSE(r->done);
    g.open();
    poll(ctx);
    CHECK(r->message() == "the source broke");
}

TEST_CASE("children that return Outcome's result: the error channel follows the child's") {
    asio::io_context ctx(1);
    auto child = [](int i) -> asio::awaitable<outcome::result<int>> {
        co_await turn();
        if (i == 2) {
            co_return error_code(asio::error::host_not_found);
        }
        co_return i;
    };
    auto const good = run(ctx, fanout::when_all(std::views::iota(0, 2), child));
    REQUIRE(good->value->has_value());
    CHECK(good->value->value() == std::vector<int>{0, 1});
    auto const bad = run(ctx, fanout::when_all(std::views::iota(0, 3), child));
    CHECK_FALSE(bad->error);
    CHECK(bad->value->error() == asio::error::host_not_found);
    auto const settled = run(ctx, fanout::when_all_settled(std::views::iota(0, 3), child));
    CHECK((*settled->value)[1].value() == 1);
    CHECK((*settled->value)[2].error() == asio::error::host_not_found);
}

TEST_CASE("any completion token: a callback, a future, deferred") {
    asio::io_context ctx(1);
    std::vector<int> in{1, 2};
    std::vector<int> out;
    fanout::when_all(in, twice)(
        asio::bind_executor(ctx.get_executor(), [&](std::exception_ptr e, std::vector<int> v) {
            CHECK_FALSE(e);
            out = std::move(v);
        }));
    CHECK(out.empty()); // not within its initiation
    ctx.run();
    CHECK(out == std::vector<int>{2, 4});
    ctx.restart();
    auto future = fanout::when_all(in, twice)(asio::bind_executor(ctx.get_executor(), asio::use_future));
    ctx.run();
    CHECK(future.get() == std::vector<int>{2, 4});
    auto lazy = fanout::when_all(in, twice)(asio::deferred);
    auto both = run(ctx, fanout::when_all(std::move(lazy), turn()));
    CHECK(std::get<0>(*both->value) == std::vector<int>{2, 4});
}

TEST_CASE("asio's own combinators take it as an operation") {
    asio::io_context ctx(1);
    std::vector<int> in{1, 2};
    std::size_t sum = 0;
    auto here = [&ctx] { return asio::bind_executor(ctx.get_executor(), asio::deferred); };
    asio::experimental::make_parallel_group(fanout::when_all(in, twice)(here()),
                                            fanout::when_all_settled(in, twice)(here()))
        .async_wait(asio::experimental::wait_for_all(),
                    asio::bind_executor(ctx.get_executor(),
                                        [&](auto, std::exception_ptr, std::vector<int> a, std::exception_ptr,
                                            auto b) { sum = a.size() + b.size(); }));
    ctx.run();
    CHECK(sum == 4);
}

TEST_CASE("an operation that is dropped runs nothing") {
    int made = 0;
    {
        auto op = fanout::when_all(std::views::iota(0, 3), [&made](int) {
            ++made;
            return turn();
        });
        (void)op;
    }
    CHECK(made == 0);
}

TEST_CASE("an rvalue range lives until the last child has ended, a made-up element until its child has") {
    asio::io_context ctx(1);
    auto by_reference = [](std::string const& s) -> asio::awaitable<std::size_t> {
        co_await turn();
        co_return s.size();
    };
    auto const owned =
        run(ctx, fanout::when_all(std::vector<std::string>{std::string(100, 'x')}, by_reference));
    CHECK(owned->value->front() == 100);
    auto made_up = std::views::iota(1, 4) | std::views::transform([](int i) {
                       return std::string(static_cast<std::size_t>(50 * i), 'y');
                   });
    CHECK(*run(ctx, fanout::when_all(made_up, by_reference, fanout::limit(2)))->value ==
          std::vector<std::size_t>{50, 100, 150});
    auto pointers =
        std::views::iota(1, 3) | std::views::transform([](int i) { return std::make_unique<int>(i); });
    auto consume = [](std::unique_ptr<int> p) -> asio::awaitable<int> {
        co_await turn();
        co_return *p;
    };
    CHECK(*run(ctx, fanout::when_all(pointers, consume))->value == std::vector<int>{1, 2});
}

TEST_CASE("inputs are pulled one by one, one per free permit") {
    asio::io_context ctx(1);
    int pulled = 0;
    gate g(ctx.get_executor());
    auto source = std::views::iota(0) | std::views::transform([&pulled](int i) { return ++pulled, i; });
    asio::cancellation_signal stop;
    auto r =
        launch(ctx,
               fanout::when_all(
                   source,
                   [&g](int i) -> asio::awaitable<void> {
                       if (i < 2) {
                           return turn();
                       }
                       return [](gate& at) -> asio::awaitable<void> { co_await at.wait(asio::deferred); }(g);
                   },
                   fanout::limit(1)),
               stop.slot());
    poll(ctx);
    CHECK(pulled == 3); // an endless source
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->code() == fanout::errc::cancelled_by_caller);
}

TEST_CASE("limit(0) is refused when it is made, a timeout of 0 when the operation is") {
    CHECK_THROWS_AS((void)fanout::limit(0), std::invalid_argument);
    CHECK_THROWS_AS(
        (void)fanout::when_all(std::views::iota(0, 3), twice, fanout::options{.attempt_timeout = 0s}),
        std::invalid_argument);
}

TEST_CASE("children that complete synchronously let others have a turn, and share few lanes") {
    for (bool const limited : {true, false}) {
        asio::io_context ctx(1);
        std::size_t started = 0;
        std::size_t started_before_the_other = 0;
        auto ready = [&started](int) -> asio::awaitable<void> {
            ++started;
            co_return;
        };
        auto r = launch(
            ctx, fanout::when_all(std::views::iota(0, 20000), ready, fanout::limit(limited ? 1 : 100000)));
        asio::post(ctx, [&] { started_before_the_other = started; });
        poll(ctx);
        CHECK(r->done);
        CHECK(started == 20000);
        CHECK(started_before_the_other < 1000);
    }
}

TEST_CASE("children that return boost::system::result are unwrapped, too") {
    asio::io_context ctx(1);
    auto child = [](int i) -> asio::awaitable<boost::system::result<int>> {
        if (i == 1) {
            co_return error_code(asio::error::host_not_found);
        }
        co_return i;
    };
    auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 2), child));
    CHECK((*r->value)[0].value() == 0);
    CHECK((*r->value)[1].error() == asio::error::host_not_found);
}
