// SPDX-License-Identifier: BSL-1.0

// Children of several types: those that complete synchronously run one within the other; what each of them promises
// is as if they had nothing to do with each other. And when and where the end of a fan-out is told.

#include <fanout/limit/semaphore.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/outcome/result.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace outcome = boost::outcome_v2;
using namespace test;
using fanout::errc;

namespace {

using times = fanout::basic_options<manual_clock>;
using body = std::function<asio::awaitable<void>()>;

asio::awaitable<int> number(body run) {
    co_await run();
    co_return 7;
}
asio::awaitable<std::string> text(body run) {
    co_await run();
    co_return "seven";
}
asio::awaitable<void> nothing(body run) { co_await run(); }

/// What three children do; the log says who started, in order.
struct trio {
    explicit trio(asio::io_context& on)
        : ctx(on), a(on.get_executor()), b(on.get_executor()), c(on.get_executor()) {}

    /// Completes at once.
    body sync(char name) {
        return [this, name]() -> asio::awaitable<void> {
            log += name;
            co_return;
        };
    }
    /// Completes at once, but shuts its ears, which is for the whole chain of coroutines that it is in.
    body deaf(char name, gate* g = nullptr) {
        return [this, name, g]() -> asio::awaitable<void> {
            log += name;
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            co_await asio::this_coro::throw_if_cancelled(false);
            if (g != nullptr) {
                co_await g->wait(asio::deferred);
            }
        };
    }
    body fails(char name) {
        return [this, name]() -> asio::awaitable<void> {
            log += name;
            throw std::runtime_error(std::string("of ") + name);
            co_return;
        };
    }
    body waits(char name, gate& g) {
        return [this, name, &g]() -> asio::awaitable<void> {
            log += name;
            co_await g.wait(asio::deferred);
            log += static_cast<char>(name - 'a' + 'A');
        };
    }
    /// Waits, and would swallow its cancellation; but the next co_await throws, unless it is deaf.
    body waits_stubbornly(char name, gate& g) {
        return [this, name, &g]() -> asio::awaitable<void> {
            log += name;
            try {
                co_await g.wait(asio::deferred);
            } catch (boost::system::system_error const&) {
            }
            co_await turn();
            log += static_cast<char>(name - 'a' + 'A');
        };
    }

    template <class... As>
    auto all(body x, body y, body z, As... as) {
        return launch(ctx,
                      fanout::when_all(number(std::move(x)), text(std::move(y)), nothing(std::move(z)),
                                       std::move(as)...),
                      stop.slot());
    }
    template <class... As>
    auto settled(body x, body y, body z, As... as) {
        return launch(ctx,
                      fanout::when_all_settled(number(std::move(x)), text(std::move(y)),
                                               nothing(std::move(z)), std::move(as)...),
                      stop.slot());
    }

    asio::io_context& ctx;
    gate a, b, c;
    asio::cancellation_signal stop;
    std::string log;
};

times timeout_of(std::chrono::seconds s) { return times{.attempt_timeout = s, .deadline = std::nullopt}; }

template <class Outcome>
std::string message_of(Outcome const& o) {
    try {
        std::rethrow_exception(o.exception());
    } catch (std::exception const& e) {
        return e.what();
    }
}

} // namespace

TEST_CASE("children that complete synchronously run in order and in one go") {
    asio::io_context ctx(1);
    trio t(ctx);
    auto first = [&t]() -> asio::awaitable<void> {
        t.log += 'a';
        asio::post(t.ctx, [&t] { t.log += '|'; });
        co_return;
    };
    SUBCASE("all at once") {
        auto const r = t.settled(first, t.sync('b'), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "abc|");
        CHECK(r->done);
    }
    SUBCASE("one at a time") {
        auto const r = t.settled(first, t.sync('b'), t.sync('c'), fanout::limit(1));
        poll(ctx);
        CHECK(t.log == "abc|");
        CHECK(r->done);
    }
    SUBCASE("when_all") {
        auto const r = t.all(first, t.sync('b'), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "abc|");
        REQUIRE(r->value);
        CHECK(*r->value == std::tuple(7, std::string("seven"), std::monostate{}));
    }
}

TEST_CASE("each child's value or exception is its own, wherever in the row it is") {
    for (int bad = 0; bad < 3; ++bad) {
        for (bool const suspends : {false, true}) {
            asio::io_context ctx(1);
            trio t(ctx);
            auto const make = [&](int i) -> body {
                auto const name = static_cast<char>('a' + i);
                return i == bad ? t.fails(name) : suspends ? t.waits(name, i == 0 ? t.a : t.b) : t.sync(name);
            };
            // Not more than one of those that wait at each gate.
            auto const last = bad == 2 || !suspends ? make(2) : t.waits('c', t.c);
            auto const check = [bad, &t, &ctx](auto const& r) {
                poll(ctx);
                for (int i = 0; i < 3; ++i) {
                    for (auto* g : {&t.a, &t.b, &t.c}) {
                        if (g->waiting()) {
                            g->open();
                        }
                    }
                    poll(ctx);
                }
                REQUIRE(r->value);
                auto const& [x, y, z] = *r->value;
                CHECK(x.has_value() == (bad != 0));
                CHECK(y.has_value() == (bad != 1));
                CHECK(z.has_value() == (bad != 2));
                CHECK((bad == 0 ? message_of(x) == "of a" : x.value() == 7));
                CHECK((bad == 1 ? message_of(y) == "of b" : y.value() == "seven"));
                CHECK((bad != 2 || message_of(z) == "of c"));
            };
            check(t.settled(make(0), make(1), last));
            check(t.settled(make(0), make(1), last, fanout::limit(1)));
        }
    }
}

TEST_CASE("a child that suspends holds up nobody but in a window of one") {
    asio::io_context ctx(1);
    trio t(ctx);
    SUBCASE("all at once") {
        auto const r = t.settled(t.sync('a'), t.waits('b', t.b), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "abc");
        CHECK_FALSE(r->done);
        t.b.open();
        poll(ctx);
        CHECK(t.log == "abcB");
        CHECK(r->done);
    }
    SUBCASE("the first") {
        auto const r = t.settled(t.waits('a', t.a), t.waits('b', t.b), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "abc");
        t.b.open();
        poll(ctx);
        t.a.open();
        poll(ctx);
        CHECK(t.log == "abcBA");
        CHECK(r->done);
    }
    SUBCASE("one at a time") {
        auto const r = t.settled(t.sync('a'), t.waits('b', t.b), t.sync('c'), fanout::limit(1));
        poll(ctx);
        CHECK(t.log == "ab");
        t.b.open();
        poll(ctx);
        CHECK(t.log == "abBc");
        CHECK(r->done);
    }
}

TEST_CASE("one child's deafness is not inherited by the next: a timeout reaches that") {
    asio::io_context ctx(1);
    trio t(ctx);
    auto const check = [&](auto const& r) {
        poll(ctx);
        CHECK(t.log == "ab");
        manual_clock::advance(5s, ctx);
        CHECK(t.b.cancels == 1);
        CHECK(t.log.substr(0, 2) == "ab"); // and not "B": it is not deaf
        CHECK(t.log.find('B') == std::string::npos);
        REQUIRE(r->value);
        CHECK(std::get<0>(*r->value).value() == 7);
        CHECK(std::get<1>(*r->value).error() == errc::timed_out);
        CHECK(std::get<2>(*r->value).has_value());
    };
    SUBCASE("in a window of one") {
        check(t.settled(t.deaf('a'), t.waits_stubbornly('b', t.b), t.sync('c'), fanout::limit(1),
                        timeout_of(5s)));
        CHECK(t.log == "abc");
    }
    SUBCASE("after it suspended") {
        auto const r = t.settled(t.deaf('a', &t.a), t.waits_stubbornly('b', t.b), t.deaf('c'),
                                 fanout::limit(1), timeout_of(5s));
        poll(ctx);
        manual_clock::advance(5s, ctx);
        CHECK(t.a.cancels == 0); // it asked not to hear
        t.a.open();
        check(r);
    }
}

TEST_CASE(
    "one child's deafness is not inherited by the next: the caller's cancellation and a sibling's failure "
    "reach that") {
    asio::io_context ctx(1);
    trio t(ctx);
    SUBCASE("the caller, all at once") {
        auto const r = t.settled(t.deaf('a'), t.waits_stubbornly('b', t.b), t.waits('c', t.c));
        poll(ctx);
        CHECK(t.log == "abc");
        t.stop.emit(asio::cancellation_type::terminal);
        poll(ctx);
        CHECK(t.b.cancels == 1);
        CHECK(t.c.cancels == 1);
        REQUIRE(r->value);
        CHECK(std::get<0>(*r->value).value() == 7);
        CHECK(std::get<1>(*r->value).error() == errc::cancelled_by_caller);
        CHECK(std::get<2>(*r->value).error() == errc::cancelled_by_caller);
    }
    SUBCASE("the caller, one at a time") {
        auto const r = t.settled(t.deaf('a'), t.waits_stubbornly('b', t.b), t.sync('c'), fanout::limit(1));
        poll(ctx);
        t.stop.emit(asio::cancellation_type::terminal);
        poll(ctx);
        CHECK(t.log == "ab"); // after a cancellation nothing starts
        REQUIRE(r->value);
        CHECK(std::get<1>(*r->value).error() == errc::cancelled_by_caller);
        CHECK(std::get<2>(*r->value).error() == errc::not_started);
    }
    SUBCASE("a sibling") {
        auto const r = t.all(t.deaf('a'), t.waits_stubbornly('b', t.b), t.fails('c'));
        poll(ctx);
        CHECK(t.b.cancels == 1);
        CHECK(t.log == "abc");
        CHECK(r->message() == "of c");
    }
}

TEST_CASE("when_all: after a child that ends by an exception at once, the rest never starts") {
    asio::io_context ctx(1);
    trio t(ctx);
    SUBCASE("the first") {
        auto const r = t.all(t.fails('a'), t.sync('b'), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "a");
        CHECK(r->message() == "of a");
    }
    SUBCASE("in the middle of a row") {
        auto const r = t.all(t.sync('a'), t.fails('b'), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "ab");
        CHECK(r->message() == "of b");
    }
    SUBCASE("after one that waits, which is cancelled and waited for") {
        t.a.heeds = false;
        auto const r = t.all(t.waits('a', t.a), t.fails('b'), t.sync('c'));
        poll(ctx);
        CHECK(t.log == "ab");
        CHECK(t.a.cancels == 1);
        CHECK_FALSE(r->done);
        t.a.open();
        poll(ctx);
        CHECK(r->message() == "of b");
    }
    SUBCASE("in the middle, in a window of one") {
        auto const r = t.all(t.sync('a'), t.fails('b'), t.sync('c'), fanout::limit(1));
        poll(ctx);
        CHECK(t.log == "ab");
        CHECK(r->message() == "of b");
    }
}

TEST_CASE("a timeout is for its own child: the next in the row has a time of its own") {
    asio::io_context ctx(1);
    trio t(ctx);
    auto const r =
        t.settled(t.sync('a'), t.waits('b', t.b), t.waits('c', t.c), fanout::limit(1), timeout_of(5s));
    poll(ctx);
    manual_clock::advance(4s, ctx);
    CHECK(t.b.cancels == 0);
    manual_clock::advance(1s, ctx);
    CHECK(t.b.cancels == 1);
    CHECK(t.log == "abc");
    manual_clock::advance(4s, ctx);
    CHECK(t.c.cancels == 0);
    t.c.open();
    poll(ctx);
    REQUIRE(r->value);
    CHECK(std::get<1>(*r->value).error() == errc::timed_out);
    CHECK(std::get<2>(*r->value).has_value());
}

// ---- a child that is spawned itself

namespace {

/// Neither copyable nor, as one may think, harmless to move: throws at a given move.
struct delicate {
    delicate() = default;
    explicit delicate(int moves) : left(moves) {}
    delicate(delicate&& other) : left(other.left - 1) { // NOLINT: it may throw
        if (left == 0) {
            throw std::runtime_error("moved once too often");
        }
    }
    delicate& operator=(delicate&&) = default;
    int left = 1000;
};
static_assert(!std::is_nothrow_move_constructible_v<delicate>);

asio::awaitable<delicate> make_delicate(int moves, bool suspends) {
    if (suspends) {
        co_await turn();
    }
    co_return delicate(moves);
}

asio::awaitable<std::unique_ptr<int>> owned(bool suspends) {
    if (suspends) {
        co_await turn();
    }
    co_return std::make_unique<int>(3);
}

asio::awaitable<outcome::result<int>> either(bool good, bool suspends) {
    if (suspends) {
        co_await turn();
    }
    if (good) {
        co_return 5;
    }
    co_return asio::error::make_error_code(asio::error::eof);
}

} // namespace

TEST_CASE(
    "children that yield what can only be moved, what may throw when it is moved, and Outcome's result") {
    for (bool const suspends : {false, true}) {
        for (bool const good : {false, true}) {
            // The 1st move is into the coroutine's frame, the 2nd out of it; the last one is never reached.
            for (int const moves : {1, 2, 1000}) {
                CAPTURE(suspends);
                CAPTURE(good);
                CAPTURE(moves);
                asio::io_context ctx(1);
                auto const r =
                    run(ctx, fanout::when_all_settled(owned(suspends), make_delicate(moves, suspends),
                                                      either(good, suspends)));
                REQUIRE(r->value);
                auto& [pointer, moved, result] = *r->value;
                REQUIRE(pointer.has_value());
                CHECK(*pointer.value() == 3);
                CHECK(moved.has_value() == (moves == 1000));
                if (!moved) {
                    CHECK(message_of(moved) == "moved once too often");
                }
                CHECK(result.has_value() == good);
                if (good) {
                    CHECK(result.value() == 5);
                } else {
                    CHECK(result.error() == asio::error::eof);
                }
            }
        }
    }
}

// ---- how long it keeps its executor going, when its end is told, and where

namespace {

asio::awaitable<void> wait_at(gate& g) { co_await g.wait(asio::deferred); }
asio::awaitable<int> wait_for_number(gate& g) {
    co_await g.wait(asio::deferred);
    co_return 1;
}

/// A handler that says where and when it was called.
struct told {
    bool called = false;
    bool inside = true; ///< the initiation is on the stack
    bool there = false; ///< it was called where it should be
};

} // namespace

TEST_CASE(
    "io_context::run() does not return before the fan-out has completed, with no work guard but its own") {
    asio::io_context ctx(1);
    gate a(ctx.get_executor()), b(ctx.get_executor());
    bool called = false;
    auto const handler = [&] {
        return asio::bind_executor(asio::any_io_executor(ctx.get_executor()),
                                   [&](std::exception_ptr, auto&&) { called = true; });
    };
    auto const goes_on = [&] {
        poll(ctx);
        CHECK_FALSE(ctx.stopped());
        CHECK_FALSE(called);
    };
    SUBCASE("awaitables") {
        fanout::when_all(wait_for_number(a), wait_at(b))(handler());
        goes_on();
        a.open();
        goes_on();
        b.open();
    }
    SUBCASE("awaitables, one at a time") {
        fanout::when_all(wait_for_number(a), wait_at(b), fanout::limit(1))(handler());
        goes_on();
        a.open();
        goes_on();
        b.open();
    }
    SUBCASE("an operation among them") {
        fanout::when_all(wait_for_number(a), b.wait(asio::deferred))(handler());
        goes_on();
        a.open();
        goes_on();
        b.open();
    }
    SUBCASE("no child runs yet: it stands in line for a permit") {
        fanout::semaphore one(1);
        auto permit = one.try_acquire();
        REQUIRE(permit);
        fanout::when_all(wait_for_number(a), wait_at(b), one)(handler());
        goes_on();
        permit = fanout::semaphore::permit(); // dropped
        goes_on();
        a.open();
        goes_on();
        b.open();
        ctx.restart();
        ctx.run();
    }
    ctx.restart();
    ctx.run();
    CHECK(called);
}

TEST_CASE(
    "the handler is never called inside the initiation, also where all children complete synchronously") {
    asio::io_context ctx(1);
    trio t(ctx);
    told of_awaitables, of_operations;
    auto const tells = [&ctx](told& to) {
        return asio::bind_executor(ctx.get_executor(), [&to](std::exception_ptr, auto&&) {
            to.called = true;
            to.there = !to.inside;
        });
    };
    auto const at_once = [] { return make_operation<void()>([](auto h) { std::move(h)(); }); };
    auto const start = [&] {
        fanout::when_all_settled(number(t.sync('a')), text(t.sync('b')),
                                 nothing(t.sync('c')))(tells(of_awaitables));
        of_awaitables.inside = false;
        fanout::when_all_settled(at_once(), at_once())(tells(of_operations));
        of_operations.inside = false;
    };
    SUBCASE("on its executor") { asio::post(ctx, start); }
    SUBCASE("from outside") { start(); }
    ctx.run();
    CHECK(of_awaitables.there);
    CHECK(of_operations.there);
}

TEST_CASE("the handler is called on its executor: a strand, another context") {
    asio::io_context ctx(1);
    trio t(ctx);
    told to;
    auto const start = [&](auto ex, auto const& is_there, body last) {
        auto handler = [&to, is_there](std::exception_ptr, auto&&) {
            to.called = true;
            to.there = is_there() && !to.inside;
        };
        fanout::when_all_settled(number(t.sync('a')), text(t.sync('b')), nothing(std::move(last)),
                                 fanout::on(asio::make_strand(ctx)))(asio::bind_executor(ex, handler));
        to.inside = false;
    };
    for (bool const suspends : {false, true}) {
        for (bool const from_within : {false, true}) {
            to = told{};
            auto const last = suspends ? t.waits('c', t.c) : t.sync('c');
            auto const begin = [&](auto ex, auto is_there) {
                if (from_within) {
                    asio::post(ctx, [&, ex, is_there] { start(ex, is_there, last); });
                } else {
                    start(ex, is_there, last);
                }
                poll(ctx);
                if (suspends) {
                    CHECK_FALSE(to.called);
                    t.c.open();
                    poll(ctx);
                }
            };
            auto const strand = asio::make_strand(ctx);
            begin(strand, [strand] { return strand.running_in_this_thread(); });
            CHECK(to.there);

            to = told{};
            asio::io_context elsewhere(1);
            auto const ex = elsewhere.get_executor();
            begin(ex, [ex] { return ex.running_in_this_thread(); });
            CHECK_FALSE(to.called);
            elsewhere.run();
            CHECK(to.there);
        }
    }
}
