// SPDX-License-Identifier: BSL-1.0
#include <fanout/composed.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using namespace test;
using asio::cancellation_type;
using fanout::errc;
using int_or_code = void(error_code, int);

namespace {

/// An allocator that counts what it gave out.
template <class T>
struct counting_allocator {
    using value_type = T;
    counting_allocator(int& all, int& now) : given(&all), live(&now) {}
    template <class U>
    counting_allocator(counting_allocator<U> const& o) : given(o.given), live(o.live) {}
    T* allocate(std::size_t n) {
        ++*given;
        ++*live;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        --*live;
        std::allocator<T>().deallocate(p, n);
    }
    template <class U>
    bool operator==(counting_allocator<U> const& o) const {
        return live == o.live;
    }
    int* given;
    int* live;
};

/// Counts itself.
struct counted {
    explicit counted(int& n) : live(&n) { ++*live; }
    counted(counted const& o) : live(o.live) { ++*live; }
    counted& operator=(counted const&) = delete;
    ~counted() { --*live; }
    int* live;
};

/// Where rows go, an operation for each.
struct store {
    template <class Token>
    auto async_put(int row, Token&& token) {
        return asio::async_initiate<Token, void(error_code, int)>(
            [this](auto handler, int r) {
                auto const ex = asio::get_associated_executor(handler);
                asio::post(ex, [this, h = std::move(handler), r]() mutable {
                    ++puts;
                    std::move(h)(r < 0 ? error_code(asio::error::eof) : error_code(), 10 * r);
                });
            },
            token, row);
    }
    int puts = 0;
};

auto const twice = fanout::composed<int>([](auto, int i) -> void {
    co_await asio::post(asio::deferred);
    co_return 2 * i;
});

} // namespace

TEST_CASE("a composed child yields its value, in a window and without") {
    asio::io_context ctx(1);
    auto const limited = run(ctx, fanout::when_all(std::views::iota(0, 100), twice, fanout::limit(3)));
    REQUIRE(limited->value);
    CHECK(limited->value->size() == 100);
    CHECK((*limited->value)[99] == 198);
    auto const unlimited = run(ctx, fanout::when_all(std::views::iota(0, 100), twice));
    CHECK(unlimited->value == limited->value);
}

TEST_CASE("a composed child is an operation like any other: awaited, given to another, or with a callback") {
    static_assert(fanout::child<decltype(twice(1))>);
    static_assert(!std::is_copy_constructible_v<decltype(twice(1))>);
    static_assert(std::is_same_v<fanout::child_value_t<decltype(twice(1))>, int>);
    static_assert(!std::is_invocable_v<decltype(twice)&, std::string>);
    static_assert(
        !std::is_invocable_v<std::remove_const_t<decltype(twice)>, int>); // it would outlive its function
    asio::io_context ctx(1);
    CHECK(run(ctx, twice(4))->value == 8);

    int got = 0;
    twice(5)(asio::bind_executor(ctx, [&](std::exception_ptr e, int v) { got = e ? -1 : v; }));
    CHECK(got == 0);
    poll(ctx);
    CHECK(got == 10);

    auto future = twice(6)(asio::bind_executor(ctx, asio::use_future));
    poll(ctx);
    CHECK(future.get() == 12);

    auto const sum = fanout::composed<int>([](auto, int i) -> void {
        auto const a = co_await twice(i);
        auto const all = co_await fanout::when_all(twice(1), twice(2));
        co_return a + std::get<0>(all) + std::get<1>(all);
    });
    CHECK(run(ctx, sum(7))->value == 20);
}

TEST_CASE("a composed child that was made and is dropped runs nothing") {
    int runs = 0;
    auto const child = fanout::composed<void>([&runs](auto) -> void {
        ++runs;
        co_return;
    });
    {
        auto const dropped = child();
        (void)dropped;
    }
    CHECK(runs == 0);
}

TEST_CASE("an exception of a composed child is its rejection: before it suspends, and after") {
    asio::io_context ctx(1);
    for (bool const late : {false, true}) {
        auto child = fanout::composed<void>([late](auto, int i) -> void {
            if (late) {
                co_await asio::post(asio::deferred);
            }
            if (i == 1) {
                throw std::runtime_error("no");
            }
            if (i == 2) {
                throw boost::system::system_error(asio::error::timed_out);
            }
        });
        auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 4), child, fanout::limit(2)));
        REQUIRE(r->value);
        auto const& all = *r->value;
        CHECK(all[0].has_value());
        CHECK(all[1].error() == errc::exception);
        CHECK_THROWS_WITH(std::rethrow_exception(all[1].exception()), "no");
        CHECK(all[2].error() == asio::error::timed_out);
        CHECK(all[3].has_value());
        CHECK(run(ctx, fanout::when_all(std::views::iota(0, 4), child, fanout::limit(1)))->message() == "no");
    }
}

TEST_CASE("the error of an awaited operation is thrown into a composed child") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    auto child = fanout::composed<int>([&g](auto) -> void {
        try {
            co_await g.wait(asio::deferred);
        } catch (boost::system::system_error const& e) {
            co_return e.code() == asio::error::eof ? 1 : 2;
        }
        co_return 3;
    });
    auto const r = launch(ctx, child());
    poll(ctx);
    g.open(asio::error::eof);
    poll(ctx);
    CHECK(r->value == 1);
}

TEST_CASE("with a signature of an error_code, a composed child tells its errors without exceptions") {
    asio::io_context ctx(1);
    auto child = fanout::composed<int_or_code>([](auto, int i) -> void {
        co_await asio::post(asio::deferred);
        if (i == 1) {
            co_return {asio::error::eof, 0};
        }
        if (i == 2) {
            throw boost::system::system_error(asio::error::timed_out);
        }
        if (i == 3) {
            throw std::runtime_error("no");
        }
        co_return {error_code(), i + 1};
    });
    auto const r = run(ctx, fanout::when_all_settled(std::views::iota(0, 4), child, fanout::limit(2)));
    REQUIRE(r->value);
    auto const& all = *r->value;
    CHECK(all[0].value() == 1);
    CHECK(all[1].error() == asio::error::eof);
    CHECK(!all[1].has_exception());
    CHECK(all[2].error() == asio::error::timed_out);
    CHECK(all[3].error() == errc::exception);
}

TEST_CASE("a composed child takes and yields what can only be moved") {
    asio::io_context ctx(1);
    auto const child = fanout::composed<std::unique_ptr<int>>([](auto, std::unique_ptr<int> p) -> void {
        co_await asio::post(asio::deferred);
        ++*p;
        co_return std::move(p);
    });
    auto boxes =
        std::views::iota(0, 5) | std::views::transform([](int i) { return std::make_unique<int>(i); });
    auto const r = run(ctx, fanout::when_all(boxes, child, fanout::limit(2)));
    REQUIRE(r->value);
    CHECK(*(*r->value)[4] == 5);
}

TEST_CASE(
    "what a composed child takes by value is copied when it is made, and by reference is the input itself") {
    asio::io_context ctx(1);
    auto const by_value = fanout::composed<std::string>([](auto, std::string s) -> void {
        co_await asio::post(asio::deferred);
        co_return std::move(s);
    });
    auto made = [&] {
        std::string const gone = "a string that is too long for its own object";
        return by_value(gone);
    }();
    CHECK(run(ctx, std::move(made))->value == "a string that is too long for its own object");

    std::vector<std::string> inputs{"a", "b"};
    auto const by_reference = fanout::composed<bool>([&inputs](auto, std::string const& s) -> void {
        co_await asio::post(asio::deferred);
        co_return &s == &inputs[0] || &s == &inputs[1];
    });
    CHECK(run(ctx, fanout::when_all(inputs, by_reference))->value == std::vector<bool>{true, true});

    // One that the range makes on the fly lives as long as its child, for a parameter that is a template, too.
    auto const generic = fanout::composed<std::size_t>([](auto, auto const& s) -> void {
        co_await asio::post(asio::deferred);
        co_return s.size();
    });
    auto words = std::views::iota(1, 4) | std::views::transform([](int n) {
                     return std::string(static_cast<std::size_t>(40 * n), 'x');
                 });
    CHECK(run(ctx, fanout::when_all(words, generic, fanout::limit(2)))->value ==
          std::vector<std::size_t>{40, 80, 120});
}

TEST_CASE("a composed child is made anew for each attempt, and may take the attempt") {
    asio::io_context ctx(1);
    auto const child = fanout::composed<std::uint32_t>([](auto, int, fanout::attempt const& about) -> void {
        co_await asio::post(asio::deferred);
        if (about.number < 3) {
            throw boost::system::system_error(asio::error::timed_out);
        }
        co_return about.number;
    });
    auto const r = run(ctx, fanout::retry_rejected(std::views::iota(0, 3), child,
                                                   fanout::retry_policy<fanout::none>{}, fanout::limit(2)));
    REQUIRE(r->value);
    CHECK(r->value->values() == std::vector<std::uint32_t>{3, 3, 3});
}

TEST_CASE(
    "terminal cancellation reaches what a composed child awaits; partial and total only if it says so") {
    for (auto const type :
         {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total}) {
        for (bool const all_types : {false, true}) {
            asio::io_context ctx(1);
            gate g(ctx.get_executor());
            auto child = fanout::composed<void>([&](auto state) -> void {
                if (all_types) {
                    state.reset_cancellation_state(asio::enable_total_cancellation());
                }
                co_await g.wait(asio::deferred);
            });
            asio::cancellation_signal stop;
            error_code code = errc::exception;
            child()(
                asio::bind_cancellation_slot(stop.slot(), asio::bind_executor(ctx, [&](std::exception_ptr e) {
                                                 code = {};
                                                 try {
                                                     if (e) {
                                                         std::rethrow_exception(e);
                                                     }
                                                 } catch (boost::system::system_error const& s) {
                                                     code = s.code();
                                                 }
                                             })));
            stop.emit(type);
            poll(ctx);
            bool const reached = all_types || type == cancellation_type::terminal;
            CHECK(g.cancels == (reached ? 1 : 0));
            if (reached) {
                CHECK(code == asio::error::operation_aborted);
            } else {
                CHECK(code == errc::exception); // still waiting
                g.open();
                poll(ctx);
                CHECK(code == error_code());
            }
        }
    }
}

TEST_CASE("a rejection cancels composed siblings; one that goes on throws at its next co_await") {
    asio::io_context ctx(1);
    gate stuck(ctx.get_executor());
    stuck.heeds = false;
    gate first(ctx.get_executor());
    int after = 0;
    bool deaf = false;
    auto child = fanout::composed<void>([&](auto state, int i) -> void {
        if (i == 0) {
            co_await first.wait(asio::deferred);
            throw std::runtime_error("first");
        }
        if (deaf) {
            state.throw_if_cancelled(false);
        }
        co_await stuck.wait(asio::deferred);
        CHECK(state.cancelled() == cancellation_type::terminal);
        co_await asio::post(asio::deferred);
        ++after;
    });
    for (bool const d : {false, true}) {
        deaf = d;
        auto const r = launch(ctx, fanout::when_all(std::views::iota(0, 2), child));
        poll(ctx);
        first.open();
        poll(ctx);
        CHECK(!r->done); // it is waited for
        stuck.open();
        poll(ctx);
        CHECK(r->message() == "first");
        CHECK(after == (deaf ? 1 : 0));
    }
    CHECK(stuck.cancels == 2);
}

TEST_CASE("a composed child frees its coroutine before its handler is called, in the handler's own memory") {
    asio::io_context ctx(1);
    int given = 0;
    int live = 0;
    int objects = 0;
    int at_end = -1;
    auto const child = fanout::composed<void>([](auto, counted c) -> void {
        co_await asio::post(asio::deferred);
        (void)c;
    });
    child(counted(objects))(
        asio::bind_allocator(counting_allocator<void>(given, live),
                             asio::bind_executor(ctx, [&](std::exception_ptr) { at_end = live + objects; })));
    CHECK(live == 2); // the coroutine, and what is posted
    CHECK(objects > 0);
    poll(ctx);
    CHECK(given == 2);
    CHECK(at_end == 0);
}

TEST_CASE("a context that is destroyed frees composed children that wait") {
    int objects = 0;
    int given = 0;
    int live = 0;
    {
        asio::io_context ctx(1);
        auto child = fanout::composed<void>([](auto, counted c) -> void {
            co_await asio::post(asio::deferred);
            (void)c;
        });
        auto const inputs = std::vector<counted>(3, counted(objects));
        fanout::when_all(inputs, child)(
            asio::bind_allocator(counting_allocator<void>(given, live),
                                 asio::bind_executor(ctx, [](std::exception_ptr) { FAIL("it ended"); })));
        ctx.poll_one();
        CHECK(objects == 6); // the inputs, and each child's own
    }
    CHECK(objects == 0);
    CHECK(live == 0);
}

TEST_CASE("composed children that end at once neither overflow the stack nor are lost") {
    asio::io_context ctx(1);
    auto const child = fanout::composed<int>([](auto, int i) -> void { co_return i; });
    auto const r = run(ctx, fanout::when_all(std::views::iota(0, 100'000), child, fanout::limit(8)));
    REQUIRE(r->value);
    CHECK(r->value->back() == 99'999);
}

TEST_CASE("a composed child does several things one after another, with exceptions or without") {
    asio::io_context ctx(1);
    store table;
    std::vector<int> const rows{1, -2, 3};
    // [composed]
    auto const put_twice = fanout::composed<int>([&table](auto, int row) -> void {
        auto const at = co_await table.async_put(row, asio::deferred); // an error is thrown
        co_return co_await table.async_put(at, asio::deferred);
    });
    auto all = fanout::when_all_settled(rows, put_twice, fanout::limit(64));
    // [/composed]
    auto const thrown = run(ctx, std::move(all));
    REQUIRE(thrown->value);
    CHECK((*thrown->value)[0].value() == 100);
    CHECK((*thrown->value)[1].error() == asio::error::eof);
    CHECK(table.puts == 5);

    // [signature]
    using value_or_code = void(error_code, int);
    auto const put = fanout::composed<value_or_code>([&table](auto, int row) -> void {
        auto const done = co_await table.async_put(row, asio::as_tuple(asio::deferred));
        co_return done; // a std::tuple<error_code, int>
    });
    // [/signature]
    auto const told = run(ctx, fanout::when_all_settled(rows, put, fanout::limit(2)));
    REQUIRE(told->value);
    CHECK((*told->value)[2].value() == 30);
    CHECK((*told->value)[1].error() == asio::error::eof);
    CHECK(!(*told->value)[1].has_exception());
}
