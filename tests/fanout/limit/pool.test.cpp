// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/connection.hpp"
#include "../../support/harness.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/outcome/boost_result.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using test::connection;
using test::ledger;
using test::manual_clock;
using test::use;
using namespace std::chrono_literals;
using pool = fanout::pool<connection>;
using times = fanout::basic_options<manual_clock>;

namespace {

/// A pool with its ledger, and a child that uses a connection for two turns.
struct bench {
    explicit bench(std::size_t n, pool::health_function healthy = {})
        : connections(
              n,
              [this]() -> asio::awaitable<connection> {
                  co_await test::turn();
                  co_return connection(made);
              },
              std::move(healthy)) {}

    static asio::awaitable<int> work(int i, connection& c) {
        use const u(c);
        co_await test::turn();
        co_await test::turn();
        co_return i;
    }

    ledger made;
    pool connections;
};

bool not_broken(connection& c) { return !c.broken; }

} // namespace

TEST_CASE("a pool of 0, and one that can make nothing, are refused by name") {
    auto const create = []() -> asio::awaitable<int> { co_return 1; };
    CHECK_THROWS_WITH_AS(fanout::pool<int>(0, create), doctest::Contains("fanout::pool"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(fanout::pool<int>(1, nullptr), doctest::Contains("fanout::pool"),
                         std::invalid_argument);
    fanout::pool<int> const p(3, create);
    CHECK(p.size() == 3);
    CHECK(p.idle() == 0);
    CHECK(p.in_use() == 0);
    CHECK(p.waiting() == 0);
}

TEST_CASE("never more than n at once, made only as they are needed, and used again") {
    bench b(4);
    asio::io_context context(1);
    auto one = test::run(context, fanout::when_all(std::views::iota(0, 1), bench::work, b.connections));
    CHECK(b.made.made == 1);
    auto r = test::run(context, fanout::when_all(std::views::iota(0, 100), bench::work, b.connections));
    CHECK(r->value->size() == 100);
    CHECK(b.made.made == 4);
    CHECK(b.made.peak == 4);
    CHECK(b.connections.idle() == 4);
    CHECK(b.connections.in_use() == 0);
}

TEST_CASE("two fan-outs share a pool, and take turns at it") {
    bench b(3);
    std::vector<int> order;
    auto const child = [&order](int who) {
        return [&order, who](int i, connection& c) {
            order.push_back(who);
            return bench::work(i, c);
        };
    };
    auto const first = child(1), second = child(2);
    asio::io_context context(1);
    auto x = test::launch(context, fanout::when_all(std::views::iota(0, 200), first, b.connections));
    auto y = test::launch(context, fanout::when_all_settled(std::views::iota(0, 200), second, b.connections));
    context.run();
    CHECK(x->value->size() == 200);
    CHECK(y->value->size() == 200);
    CHECK(b.made.peak == 3);
    CHECK(b.made.made == 3);
    auto const early = std::ranges::count(order | std::views::take(200), 1);
    CHECK(early >= 80);
    CHECK(early <= 120);
}

TEST_CASE("the one that was used last is used first") {
    bench b(3);
    asio::io_context context(1);
    std::vector<pool::permit> held;
    std::vector<int> numbers;
    auto const make = [](pool::permit& p) { return p.make(); };
    for (int i = 0; i < 3; ++i) {
        held.push_back(b.connections.try_acquire());
        CHECK(held.back().resource() == nullptr); // until it is made
    }
    CHECK_FALSE(b.connections.try_acquire());
    for (auto& p : held) {
        asio::co_spawn(context, make(p), asio::detached);
    }
    test::poll(context);
    for (auto const i : {1U, 0U, 2U}) {
        numbers.push_back(held[i].resource()->number());
        held[i].release();
        CHECK_FALSE(held[i]);
    }
    std::ranges::reverse(numbers);
    for (auto const expected : numbers) {
        held.push_back(b.connections.try_acquire());
        REQUIRE(held.back().resource() != nullptr);
        CHECK(held.back().resource()->number() == expected);
    }
    CHECK(b.connections.idle() == 0);
    CHECK(b.connections.in_use() == 3);
}

TEST_CASE("where making one fails the child is rejected with what was thrown, and the place is free again") {
    int fails = 2;
    ledger made;
    pool p(1, [&]() -> asio::awaitable<connection> {
        co_await test::turn();
        if (fails-- > 0) {
            throw std::runtime_error("no route to host");
        }
        co_return connection(made);
    });
    asio::io_context context(1);
    SUBCASE("settled") {
        auto r = test::run(context, fanout::when_all_settled(std::views::iota(0, 4), bench::work, p));
        CHECK(r->value->at(0).error() == errc::exception);
        CHECK_THROWS_WITH((void)r->value->at(1).value(), "no route to host");
        CHECK(r->value->at(2).has_value());
        CHECK(r->value->at(3).has_value());
    }
    SUBCASE("retried") {
        fanout::retry_policy const at_once{.max_attempts = 3, .backoff = fanout::exponential{.base = 0ns}};
        auto r = test::launch(
            context, fanout::retry_rejected(std::views::iota(0, 2), bench::work, at_once, p, times{}));
        for (int i = 0; i < 20; ++i) {
            manual_clock::advance(1ms, context);
        }
        REQUIRE(r->done);
        CHECK(r->value->failed() == 0);
        CHECK(r->value->retries() == 2);
    }
    SUBCASE("a create that throws before it is a coroutine") {
        pool q(1, [&]() -> asio::awaitable<connection> { throw std::runtime_error("no memory"); });
        auto r = test::run(context, fanout::when_all(std::views::iota(0, 4), bench::work, q));
        CHECK(r->message() == "no memory");
        CHECK(q.in_use() == 0);
        return;
    }
    CHECK(made.made == 1);
    CHECK(p.idle() == 1);
    CHECK(p.in_use() == 0);
}

TEST_CASE("making one is part of the attempt: its timeout ends it, and so does a cancellation") {
    ledger made;
    asio::io_context context(1);
    test::gate g(context.get_executor());
    {
        pool p(2, [&]() -> asio::awaitable<connection> {
            co_await g.wait(asio::deferred);
            co_return connection(made);
        });
        asio::cancellation_signal cancel;
        int children = 0;
        auto const child = [&children](int i, connection& c) {
            ++children;
            return bench::work(i, c);
        };
        SUBCASE("timeout") {
            auto r = test::launch(context, fanout::when_all_settled(std::views::iota(0, 1), child, p,
                                                                    times{.attempt_timeout = 2s}));
            test::poll(context);
            CHECK(g.waiting());
            manual_clock::advance(2s, context);
            test::poll(context);
            REQUIRE(r->done);
            CHECK(r->value->at(0).error() == errc::timed_out);
        }
        SUBCASE("deadline") {
            auto r = test::launch(
                context, fanout::when_all_settled(std::views::iota(0, 1), child, p, times{.deadline = 2s}));
            test::poll(context);
            manual_clock::advance(2s, context);
            test::poll(context);
            REQUIRE(r->done);
            CHECK(r->value->at(0).error() == errc::timed_out);
        }
        SUBCASE("caller") {
            auto r = test::launch(context, fanout::when_all(std::views::iota(0, 1), child, p), cancel.slot());
            test::poll(context);
            cancel.emit(asio::cancellation_type::terminal);
            test::poll(context);
            REQUIRE(r->done);
            CHECK(r->code() == errc::cancelled_by_caller);
        }
        CHECK(g.cancels == 1);
        CHECK(children == 0);
        CHECK(p.in_use() == 0);
        CHECK(p.idle() == 0);
    }
    CHECK(made.made == 0);
}

TEST_CASE("several are made side by side") {
    asio::io_context context(1);
    int connecting = 0, peak = 0;
    ledger made;
    pool p(3, [&]() -> asio::awaitable<connection> {
        peak = (std::max)(peak, ++connecting);
        co_await test::turn();
        co_await test::turn();
        --connecting;
        co_return connection(made);
    });
    auto r = test::run(context, fanout::when_all(std::views::iota(0, 9), bench::work, p));
    CHECK(r->value->size() == 9);
    CHECK(peak == 3);
}

TEST_CASE("what a cancelled or timed-out child had is destroyed, healthy or not, and another is made") {
    auto const healthy = [](connection&) { return true; };
    bench b(1, healthy);
    asio::io_context context(1);
    test::gate g(context.get_executor());
    asio::cancellation_signal cancel;
    int last = -1;
    auto const child = [&](int, connection& c) -> asio::awaitable<void> {
        last = c.number();
        co_await g.wait(asio::deferred);
    };
    auto const one = std::views::iota(0, 1);
    SUBCASE("cancelled") {
        auto r = test::launch(context, fanout::when_all(one, child, b.connections), cancel.slot());
        test::poll(context);
        CHECK(last == 0);
        cancel.emit(asio::cancellation_type::terminal);
        test::poll(context);
        REQUIRE(r->done);
    }
    SUBCASE("timed out") {
        auto r = test::launch(
            context, fanout::when_all_settled(one, child, b.connections, times{.attempt_timeout = 1s}));
        test::poll(context);
        manual_clock::advance(1s, context);
        test::poll(context);
        REQUIRE(r->done);
    }
    CHECK(b.made.alive == 0);
    CHECK(b.connections.idle() == 0);
    CHECK(b.connections.in_use() == 0);
    auto again = test::launch(context, fanout::when_all(one, child, b.connections));
    test::poll(context);
    CHECK(last == 1);
    g.open();
    test::poll(context);
    CHECK(again->done);
    CHECK(b.connections.idle() == 1);
}

TEST_CASE("a child that was cancelled and ended with its value all the same leaves its resource fit") {
    bench b(1);
    asio::io_context context(1);
    test::gate g(context.get_executor());
    g.heeds = false;
    asio::cancellation_signal cancel;
    auto const child = [&](int, connection&) -> asio::awaitable<void> { co_await g.wait(asio::deferred); };
    auto r =
        test::launch(context, fanout::when_all(std::views::iota(0, 1), child, b.connections), cancel.slot());
    test::poll(context);
    cancel.emit(asio::cancellation_type::terminal);
    test::poll(context);
    CHECK_FALSE(r->done);
    CHECK(b.made.alive == 1); // it is in use until the child has ended
    g.open();
    test::poll(context);
    REQUIRE(r->done);
    CHECK_FALSE(r->error);
    CHECK(b.connections.idle() == 1);
}

TEST_CASE("after a rejection `healthy` decides; without it, the resource is destroyed") {
    auto const child = [](int i, connection& c) -> asio::awaitable<int> {
        co_await test::turn();
        c.broken = i % 4 == 3;
        if (i % 2 == 1) {
            throw std::runtime_error("rejected");
        }
        co_return c.number();
    };
    asio::io_context context(1);
    SUBCASE("without") {
        bench b(1);
        auto r = test::run(context, fanout::when_all_settled(std::views::iota(0, 8), child, b.connections));
        std::vector<int> numbers;
        for (int i = 0; i < 8; i += 2) {
            numbers.push_back(r->value->at(static_cast<std::size_t>(i)).value());
        }
        CHECK(numbers == std::vector<int>{0, 1, 2, 3}); // each odd one broke one
        CHECK(b.made.peak == 1);
        CHECK(b.connections.idle() == 0);
    }
    SUBCASE("with") {
        bench b(1, not_broken);
        auto r = test::run(context, fanout::when_all_settled(std::views::iota(0, 8), child, b.connections));
        std::vector<int> numbers;
        for (int i = 0; i < 8; i += 2) {
            numbers.push_back(r->value->at(static_cast<std::size_t>(i)).value());
        }
        CHECK(numbers == std::vector<int>{0, 0, 1, 1});
        CHECK(b.made.made == 2);
    }
}

TEST_CASE("a fulfilled child's resource is looked at, too, and replaced where it is broken") {
    bench b(2, not_broken);
    auto const child = [](int i, connection& c) -> asio::awaitable<int> {
        use const u(c);
        co_await test::turn();
        c.broken = i % 10 == 0;
        co_return i;
    };
    asio::io_context context(1);
    auto r = test::run(context, fanout::when_all(std::views::iota(0, 100), child, b.connections));
    CHECK(r->value->size() == 100);
    CHECK(b.made.made >= 11);
    CHECK(b.made.made <= 12);
    CHECK(b.made.peak <= 2);
}

TEST_CASE("a factory that throws rejects its child") {
    asio::io_context context(1);
    auto const throws = [](int i, connection& c) -> asio::awaitable<int> {
        if (i % 2 == 0) {
            throw std::out_of_range("in the factory");
        }
        return bench::work(i, c);
    };
    bench b(2, not_broken);
    for (auto const round : {0, 1}) { // with a resource that is made first, then with one that is there
        CAPTURE(round);
        auto r = test::run(context, fanout::when_all_settled(std::views::iota(0, 6), throws, b.connections));
        for (std::size_t i = 0; i < 6; ++i) {
            CHECK(r->value->at(i).has_value() == (i % 2 == 1));
        }
        CHECK_THROWS_WITH_AS((void)r->value->at(4).value(), "in the factory", std::out_of_range);
        CHECK(b.connections.in_use() == 0);
        CHECK(b.connections.idle() == 2);
    }
}

TEST_CASE("a pool of one is serial, and the statistics show a parallelism of 1.0") {
    bench b(1);
    asio::io_context context(1);
    test::gate g(context.get_executor());
    fanout::stats seen;
    int running = 0, peak = 0;
    std::vector<int> order;
    auto const child = [&](int i, connection& c) -> asio::awaitable<void> {
        use const u(c);
        order.push_back(i);
        peak = (std::max)(peak, ++running);
        co_await g.wait(asio::deferred);
        --running;
    };
    auto r =
        test::launch(context, fanout::when_all(std::views::iota(0, 50), child, b.connections, seen, times{}));
    for (int i = 0; i < 50; ++i) {
        test::poll(context);
        manual_clock::advance(7ms, context);
        g.open();
    }
    test::poll(context);
    REQUIRE(r->done);
    CHECK(peak == 1);
    CHECK(std::ranges::is_sorted(order));
    CHECK(seen.peak_in_flight() == 1);
    CHECK(seen.child_time() == 350ms);
    CHECK(seen.effective_parallelism() == doctest::Approx(1.0));
    CHECK(b.made.made == 1);
}

TEST_CASE("children of any kind: void, a value that can only be moved, a result, an Asio operation") {
    bench b(2);
    asio::io_context context(1);
    auto const inputs = std::views::iota(0, 10);
    auto const nothing = [](int, connection&) -> asio::awaitable<void> { co_await test::turn(); };
    auto const pointer = [](int i, connection& c) -> asio::awaitable<std::unique_ptr<int>> {
        use const u(c);
        co_await test::turn();
        co_return std::make_unique<int>(i);
    };
    using outcome = boost::outcome_v2::boost_result<int>;
    auto const result = [](int i, connection&) -> asio::awaitable<outcome> {
        if (i == 7) {
            co_return error_code(asio::error::access_denied);
        }
        co_return i;
    };
    auto const operation = [](int i, connection& c) {
        CHECK(c.users == 0);
        return test::make_operation<void(error_code, int)>(
            [i](auto handler) { std::move(handler)(error_code(), i); });
    };
    auto const posts = [](int, connection&) { return asio::post(asio::deferred); };
    for (auto const round : {0, 1}) { // as they are made, and as they are there
        CAPTURE(round);
        auto a = test::run(context, fanout::when_all(inputs, nothing, b.connections));
        CHECK_FALSE(a->error);
        auto c = test::run(context, fanout::when_all(inputs, pointer, b.connections));
        CHECK(*c->value->at(9) == 9);
        auto d = test::run(context, fanout::when_all_settled(inputs, result, b.connections));
        CHECK(d->value->at(7).error() == asio::error::access_denied);
        CHECK(d->value->at(8).value() == 8);
        auto e = test::run(context, fanout::when_all(inputs, operation, b.connections));
        CHECK(e->value->at(3) == 3);
        auto f = test::run(context, fanout::when_all(inputs, posts, b.connections));
        CHECK_FALSE(f->error);
    }
    CHECK(b.connections.in_use() == 0);
}

TEST_CASE("the factory gets its input as it does without a pool: by reference, or moved out of the source") {
    bench b(1);
    asio::io_context context(1);
    std::vector<std::string> words{"a", "b", "c"};
    auto const edits = [](std::string& s, connection&) -> asio::awaitable<void> {
        co_await test::turn();
        s += "!";
    };
    test::run(context, fanout::when_all(words, edits, b.connections));
    CHECK(words == std::vector<std::string>{"a!", "b!", "c!"});
    auto const makes = [](int i) { return std::make_unique<int>(i); };
    auto const takes = [](std::unique_ptr<int> p, connection&) -> asio::awaitable<int> {
        co_await test::turn();
        co_return *p;
    };
    auto r = test::run(context, fanout::when_all(std::views::iota(0, 3) | std::views::transform(makes), takes,
                                                 b.connections));
    CHECK(*r->value == std::vector<int>{0, 1, 2});
}

TEST_CASE("a sleeping retry holds neither place nor resource") {
    bench b(1, not_broken);
    asio::io_context context(1);
    auto const fails = [](int, connection&) -> asio::awaitable<void> {
        throw std::runtime_error("no");
        co_return;
    };
    fanout::retry_policy const policy{.max_attempts = 2,
                                      .backoff = fanout::exponential{.base = 1h, .cap = 1h}};
    auto r = test::launch(
        context, fanout::retry_rejected(std::views::iota(0, 5), fails, policy, b.connections, times{}));
    test::poll(context);
    CHECK(b.connections.in_use() == 0);
    CHECK(b.connections.idle() == 1);
    manual_clock::advance(2h, context);
    REQUIRE(r->done);
    CHECK(r->value->retries() == 5);
    CHECK(b.made.made == 1);
}

// ---- leases

TEST_CASE("a lease that is told so gives its resource back, once") {
    bench b(1);
    asio::io_context context(1);
    auto const user = [&]() -> asio::awaitable<void> {
        auto first = co_await b.connections.acquire();
        CHECK(b.connections.in_use() == 1);
        CHECK(first->number() == (*first).number());
        co_await test::turn();
        auto lease = std::move(first);
        CHECK_FALSE(first); // NOLINT: what is left of it is empty
        lease.give_back();
        CHECK_FALSE(lease);
        CHECK(b.connections.in_use() == 0);
        lease.give_back();
        lease.discard();
    };
    for (int i = 0; i < 3; ++i) {
        asio::co_spawn(context, user(), asio::detached);
        test::poll(context);
        CHECK(b.connections.idle() == 1);
    }
    CHECK(b.made.made == 1);
}

TEST_CASE("a lease that is dropped, by whatever end of its scope, destroys the resource") {
    bench b(1);
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    auto const user = [&](bool throws) -> asio::awaitable<void> {
        auto lease = co_await b.connections.acquire();
        CHECK(b.made.alive == 1);
        co_await test::turn();
        if (throws) {
            throw std::runtime_error("in the middle of it");
        }
    };
    for (auto const how : {0, 1, 2}) {
        CAPTURE(how);
        asio::co_spawn(context, user(how == 1),
                       asio::bind_cancellation_slot(cancel.slot(), [](std::exception_ptr) {}));
        if (how == 2) {
            context.restart();
            while (b.made.alive == 0 && context.poll_one() > 0) {
            }
            cancel.emit(asio::cancellation_type::terminal);
        }
        test::poll(context);
        CHECK(b.made.made == how + 1);
        CHECK(b.made.alive == 0);
        CHECK(b.connections.in_use() == 0);
        CHECK(b.connections.idle() == 0);
    }
}

TEST_CASE("a lease and a fan-out share the places") {
    bench b(1);
    asio::io_context context(1);
    test::gate g(context.get_executor());
    auto const holds = [&]() -> asio::awaitable<void> {
        auto lease = co_await b.connections.acquire();
        co_await g.wait(asio::deferred);
        lease.give_back();
    };
    asio::co_spawn(context, holds(), asio::detached);
    test::poll(context);
    auto r = test::launch(context, fanout::when_all(std::views::iota(0, 3), bench::work, b.connections));
    test::poll(context);
    CHECK(b.connections.waiting() == 1);
    CHECK_FALSE(r->done);
    g.open();
    test::poll(context);
    CHECK(r->done);
    CHECK(b.made.made == 1);
}

TEST_CASE("acquire() throws what create threw, and frees the place") {
    pool p(1, []() -> asio::awaitable<connection> {
        co_await test::turn();
        throw std::runtime_error("refused");
    });
    asio::io_context context(1);
    std::string said;
    auto const user = [&]() -> asio::awaitable<void> {
        try {
            auto lease = co_await p.acquire();
        } catch (std::runtime_error const& e) {
            said = e.what();
        }
    };
    for (int i = 0; i < 2; ++i) {
        said.clear();
        asio::co_spawn(context, user(), asio::detached);
        test::poll(context);
        CHECK(said == "refused");
        CHECK(p.in_use() == 0);
    }
}

// ---- ends

TEST_CASE("a fan-out that waits for a place ends at once when it is cancelled") {
    bench b(1);
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    auto held = b.connections.try_acquire();
    auto r = test::launch(
        context, fanout::when_all_settled(std::views::iota(0, 3), bench::work, b.connections), cancel.slot());
    test::poll(context);
    CHECK(b.connections.waiting() == 1);
    SUBCASE("in the line") { cancel.emit(asio::cancellation_type::total); }
    SUBCASE("with the permit on its way") {
        held.release();
        cancel.emit(asio::cancellation_type::terminal);
    }
    test::poll(context);
    REQUIRE(r->done);
    CHECK(r->value->at(0).error() == errc::not_started);
    CHECK(b.connections.waiting() == 0);
    held.release();
    CHECK(b.connections.in_use() == 0);
    CHECK(b.made.made == 0);
}

TEST_CASE("a context that is destroyed frees the places of its children, and those who wait for one") {
    ledger made;
    asio::io_context connects(1);
    auto const alive = std::make_shared<int>();
    pool p(2, [&]() -> asio::awaitable<connection> { co_return connection(made); });
    {
        asio::io_context context(1);
        test::gate g(context.get_executor());
        auto const child = [&g, alive](int, connection& c) -> asio::awaitable<void> {
            use const u(c);
            co_await g.wait(asio::deferred);
        };
        auto a = test::launch(context, fanout::when_all(std::views::iota(0, 5), child, p));
        auto b = test::launch(context, fanout::when_all_settled(std::views::iota(0, 5), child, p));
        test::poll(context);
        CHECK(p.in_use() == 2);
        CHECK(p.waiting() == 2);
    }
    CHECK(alive.use_count() == 1);
    CHECK(p.in_use() == 0);
    CHECK(p.waiting() == 0);
    CHECK(made.alive <= 2);
}

// ---- together with others

TEST_CASE("in all_of the pool hands its resource to the factory, wherever it stands") {
    bench b(3);
    fanout::semaphore s(2);
    fanout::semaphore wide(100);
    asio::io_context context(1);
    fanout::stats seen;
    auto const inputs = std::views::iota(0, 50);
    auto r = test::launch(
        context, fanout::when_all(inputs, bench::work, fanout::all_of(s, b.connections, wide), seen));
    auto q = test::launch(
        context, fanout::when_all(inputs, bench::work, fanout::all_of(fanout::limit(5), b.connections)));
    context.run();
    CHECK(r->value->size() == 50);
    CHECK(q->value->size() == 50);
    CHECK(seen.peak_in_flight() <= 2);
    CHECK(b.made.peak <= 3);
    CHECK(b.connections.in_use() == 0);
    CHECK(s.in_use() == 0);
    CHECK(wide.in_use() == 0);
}
