// SPDX-License-Identifier: BSL-1.0

// Cancellation, re-entrancy and lifetimes: Asio's traps, one test each, and what others report as pain.

#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/harness.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

using namespace test;
using asio::cancellation_type;
using fanout::errc;

namespace {

using times = fanout::basic_options<manual_clock>;

struct gates {
    gates(asio::io_context& ctx, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            all.push_back(std::make_unique<gate>(ctx.get_executor()));
        }
    }
    gate& operator[](int i) { return *all[static_cast<std::size_t>(i)]; }
    std::vector<std::unique_ptr<gate>> all;
};

/// An allocator that counts what it gave out.
template <class T>
struct counting_allocator {
    using value_type = T;
    explicit counting_allocator(std::ptrdiff_t& l) : live(&l) {}
    template <class U>
    counting_allocator(counting_allocator<U> const& o) : live(o.live) {}
    T* allocate(std::size_t n) {
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
    std::ptrdiff_t* live;
};

} // namespace

TEST_CASE("partial and total cancellation stop what has not started and wait for the rest; terminal cancels "
          "it, too") {
    for (auto const type :
         {cancellation_type::partial, cancellation_type::total, cancellation_type::terminal}) {
        asio::io_context ctx(1);
        gates g(ctx, 4);
        asio::cancellation_signal stop;
        auto child = [&g](int i) -> asio::awaitable<int> {
            co_await g[i].wait(asio::deferred);
            co_return i;
        };
        auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 4), child, fanout::limit(2)),
                        stop.slot());
        poll(ctx);
        stop.emit(type);
        poll(ctx);
        if (type == cancellation_type::terminal) {
            CHECK(g[0].cancels == 1);
            REQUIRE(r->done);
            CHECK((*r->value)[1].error() == errc::cancelled_by_caller);
        } else {
            CHECK(g[0].cancels == 0);
            CHECK_FALSE(r->done);
            g[0].open();
            g[1].open();
            poll(ctx);
            REQUIRE(r->done);
            CHECK((*r->value)[1].value() == 1);
        }
        CHECK(g[2].waits == 0);
        CHECK((*r->value)[2].error() == errc::not_started);
        CHECK((*r->value)[3].error() == errc::not_started);
    }
}

TEST_CASE("boostorg/asio#458: a first, weaker cancellation does not use up the only one") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    asio::cancellation_signal stop;
    auto r = launch(ctx, fanout::when_all_settled(g.wait(asio::deferred)), stop.slot());
    poll(ctx);
    stop.emit(cancellation_type::total);
    poll(ctx);
    CHECK(g.cancels == 0);
    stop.emit(cancellation_type::terminal);
    poll(ctx);
    CHECK(g.cancels == 1);
    CHECK(r->done);
}

TEST_CASE("asio#1574: a cancellation sticks: after it no further child starts, whatever the running ones do "
          "with it") {
    asio::io_context ctx(1);
    int started = 0;
    gate g(ctx.get_executor());
    g.heeds = false;
    auto child = [&](int) -> asio::awaitable<void> {
        ++started;
        co_await asio::this_coro::throw_if_cancelled(false); // deaf
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await g.wait(asio::deferred);
    };
    asio::cancellation_signal stop;
    auto r =
        launch(ctx, fanout::when_all_settled(std::views::iota(0, 100), child, fanout::limit(1)), stop.slot());
    poll(ctx);
    stop.emit(cancellation_type::terminal);
    stop.emit(cancellation_type::total); // a later, weaker one must not clear it
    poll(ctx);
    g.open();
    poll(ctx);
    CHECK(r->done);
    CHECK(started == 1);
}

TEST_CASE("a lane is reused: one child's deafness and filter are not inherited by the next") {
    asio::io_context ctx(1);
    gates g(ctx, 2);
    auto child = [&g](int i) -> asio::awaitable<void> {
        if (i == 0) {
            co_await asio::this_coro::throw_if_cancelled(false);
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        }
        try {
            co_await g[i].wait(asio::deferred);
        } catch (boost::system::system_error const&) {
        }
        co_await turn(); // throws, where the child was cancelled and is not deaf
    };
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 2), child, fanout::limit(1),
                                                  times{.attempt_timeout = 5s, .deadline = std::nullopt}));
    poll(ctx);
    manual_clock::advance(5s, ctx);
    CHECK(g[0].cancels == 0); // it asked not to hear
    g[0].open();
    poll(ctx);
    manual_clock::advance(5s, ctx);
    CHECK(g[1].cancels == 1);
    REQUIRE(r->done);
    CHECK((*r->value)[0].has_value());
    CHECK((*r->value)[1].error() == errc::timed_out);
}

TEST_CASE("a lane of when_all is reused: neither deafness nor a cancellation that was ignored is inherited") {
    asio::io_context ctx(1);
    gates g(ctx, 5);
    g[2].heeds = false;
    auto child = [&g](int i) -> asio::awaitable<void> {
        if (i == 0 || i == 3) {
            co_await asio::this_coro::throw_if_cancelled(false);
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        }
        co_await g[i].wait(asio::deferred);
        if (i != 2) {
            co_await turn(); // throws, where the child was cancelled and is not deaf
        }
    };
    asio::cancellation_signal stop;
    auto r = launch(ctx,
                    fanout::when_all(std::views::iota(0, 5), child, fanout::limit(1),
                                     times{.attempt_timeout = 5s, .deadline = std::nullopt}),
                    stop.slot());
    poll(ctx);
    manual_clock::advance(5s, ctx);
    CHECK(g[0].cancels == 0); // it asked not to hear
    g[0].open();
    poll(ctx);
    g[1].open(); // leaves everything as it was
    poll(ctx);
    REQUIRE(g[2].waits == 1);
    manual_clock::advance(5s, ctx);
    CHECK(g[2].cancels == 1); // and goes on all the same
    g[2].open();
    poll(ctx);
    REQUIRE(g[3].waits == 1);
    g[3].open(); // its next wait must not throw
    poll(ctx);
    CHECK(!r->done);
    REQUIRE(g[4].waits == 1);
    stop.emit(cancellation_type::terminal);
    poll(ctx);
    CHECK(g[4].cancels == 1);
    CHECK(r->done);
}

TEST_CASE("a handler that a child of when_all leaves in its slot hears nothing of the children behind it") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    std::function<void()> deaf;
    int told_late = 0;
    auto child = [&](int i) -> asio::awaitable<void> {
        if (i == 0) {
            co_await g.wait(asio::deferred);
        } else if (i == 2) { // behind one that has made the lane look after its state
            auto state = co_await asio::this_coro::cancellation_state;
            state.slot().assign([&told_late](cancellation_type) { ++told_late; });
        } else if (i == 3) {
            auto initiate = [&deaf](auto handler) {
                deaf = [kept = std::make_shared<decltype(handler)>(std::move(handler))] {
                    std::move (*kept)();
                };
            };
            co_await asio::async_initiate<asio::deferred_t const, void()>(initiate, asio::deferred);
        }
    };
    auto r = launch(ctx, fanout::when_all(std::views::iota(0, 5), child, fanout::limit(2)));
    poll(ctx);
    REQUIRE(deaf);
    g.open(asio::error::connection_reset);
    poll(ctx);
    CHECK(!r->done);
    CHECK(told_late == 0);
    asio::post(ctx, deaf);
    deaf = nullptr;
    poll(ctx);
    CHECK(r->done);
}

TEST_CASE("a lane yields behind a child that ignored its cancellation, and goes on") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    g.heeds = false;
    auto child = [&g](int i) -> asio::awaitable<void> {
        if (i == 255) { // the last one before the lane goes through the event loop
            co_await g.wait(asio::deferred);
        }
    };
    auto const inputs = std::views::iota(0, 300);
    times const limited{.attempt_timeout = 5s, .deadline = std::nullopt};
    auto const passes = [&](auto operation) {
        auto r = launch(ctx, std::move(operation));
        poll(ctx);
        manual_clock::advance(5s, ctx);
        g.open();
        poll(ctx);
        CHECK(r->done);
        CHECK(!r->error);
    };
    passes(fanout::when_all(inputs, child, fanout::limit(1), limited));
    passes(fanout::when_all_settled(inputs, child, fanout::limit(1), limited));
    CHECK(g.cancels == 2);
}

TEST_CASE("a cancellation that ends children inline, in the middle of the emission") {
    asio::io_context ctx(1);
    std::vector<std::unique_ptr<gate>> g;
    for (int i = 0; i < 5; ++i) {
        g.push_back(std::make_unique<gate>(ctx.get_executor()));
        g.back()->heeds = false;
    }
    // Each gate, when cancelled, ends at once: its lane closes while the fan-out goes through its lanes.
    auto operation = [&](int i) {
        return make_operation<void(error_code)>([at = g[static_cast<std::size_t>(i)].get()](auto h) {
            auto slot = asio::get_associated_cancellation_slot(h);
            auto kept = std::make_shared<decltype(h)>(std::move(h));
            slot.assign([kept, at](cancellation_type) {
                ++at->cancels;
                auto handler = std::move(*kept); // the slot is cleared by what follows
                std::move(handler)(error_code(asio::error::operation_aborted));
            });
        });
    };
    asio::cancellation_signal stop;
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 5), operation), stop.slot());
    poll(ctx);
    stop.emit(cancellation_type::terminal);
    poll(ctx);
    REQUIRE(r->done);
    for (int i = 0; i < 5; ++i) {
        CHECK(g[static_cast<std::size_t>(i)]->cancels == 1);
        CHECK((*r->value)[static_cast<std::size_t>(i)].error() == errc::cancelled_by_caller);
    }
}

TEST_CASE("an inline end by a timeout lets the lane go on with the next child") {
    asio::io_context ctx(1);
    int started = 0;
    auto operation = [&started](int) {
        return make_operation<void(error_code)>([&started](auto h) {
            ++started;
            auto slot = asio::get_associated_cancellation_slot(h);
            auto kept = std::make_shared<decltype(h)>(std::move(h));
            slot.assign([kept](cancellation_type) {
                auto handler = std::move(*kept);
                std::move(handler)(error_code(asio::error::operation_aborted));
            });
        });
    };
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 3), operation, fanout::limit(1),
                                                  times{.attempt_timeout = 1s, .deadline = std::nullopt}));
    poll(ctx);
    for (int i = 1; i <= 3; ++i) {
        CHECK(started == i);
        manual_clock::advance(1s, ctx);
    }
    REQUIRE(r->done);
    CHECK((*r->value)[2].error() == errc::timed_out);
}

TEST_CASE("a cancellation asked by a child while the fan-out is being launched") {
    asio::io_context ctx(1);
    asio::cancellation_signal stop;
    int started = 0;
    for (auto const type : {cancellation_type::total, cancellation_type::terminal}) {
        started = 0;
        auto child = [&](int i) -> asio::awaitable<int> {
            ++started;
            if (i == 1) {
                stop.emit(type);
            }
            co_return i;
        };
        auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 4), child, fanout::limit(1)),
                        stop.slot());
        poll(ctx);
        REQUIRE(r->done);
        CHECK(started == 2);
        CHECK((*r->value)[1].value() == 1); // a value that arrives after a cancellation is still a value
        CHECK((*r->value)[2].error() == errc::not_started);
    }
}

TEST_CASE("a cancelled caller waits for the drain, and gets the results") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    g.heeds = false;
    asio::cancellation_signal stop;
    bool alive = true;
    auto caller = [&]() -> asio::awaitable<std::size_t> {
        auto const guard = std::shared_ptr<void>(nullptr, [&alive](void*) { alive = false; });
        auto op = fanout::when_all_settled(
            std::views::iota(0, 2), [&g](int) { return g.wait(asio::deferred); }, fanout::limit(1));
        auto const outcomes = co_await std::move(op);
        co_return outcomes.size();
    };
    std::size_t size = 0;
    asio::co_spawn(
        ctx, caller(),
        asio::bind_cancellation_slot(stop.slot(), [&size](std::exception_ptr, std::size_t n) { size = n; }));
    poll(ctx);
    stop.emit(cancellation_type::terminal);
    poll(ctx);
    CHECK(alive); // the child has not ended, so neither has the caller's frame
    g.open();
    poll(ctx);
    CHECK(size == 2);
    CHECK_FALSE(alive);
}

TEST_CASE("a nested fan-out that a timeout cancels counts as timed out, and is run again") {
    asio::io_context ctx(1);
    gate g(ctx.get_executor());
    int attempts = 0;
    auto nested = [&](int) {
        ++attempts;
        return fanout::when_all(std::views::iota(0, 1), [&g](int) { return g.wait(asio::deferred); });
    };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 1), nested,
                                                fanout::retry_policy{.max_attempts = 2},
                                                times{.attempt_timeout = 5s, .deadline = std::nullopt}));
    poll(ctx);
    for (int i = 0; i < 4; ++i) {
        manual_clock::advance(5s, ctx);
    }
    REQUIRE(r->done);
    CHECK(attempts == 2);
    CHECK(r->value->outcomes[0].error() == errc::timed_out);
}

TEST_CASE("a deadline that is past keeps everything from starting") {
    asio::io_context ctx(1);
    int started = 0;
    auto child = [&started](int) -> asio::awaitable<void> {
        ++started;
        co_return;
    };
    auto r = launch(ctx, fanout::when_all_settled(std::views::iota(0, 3), child,
                                                  times{.attempt_timeout = std::nullopt, .deadline = -1s}));
    poll(ctx);
    REQUIRE(r->done);
    CHECK(started == 0);
    CHECK((*r->value)[0].error() == errc::not_started);
}

TEST_CASE("a context that is destroyed frees everything: running children, sleeping retries, the handler") {
    auto alive = std::make_shared<int>(0);
    asio::cancellation_signal stop;
    {
        asio::io_context ctx(1);
        gate g(ctx.get_executor());
        auto held = [alive, &g](int i) -> asio::awaitable<void> {
            if (i == 1) {
                throw std::runtime_error("sleeps");
            }
            co_await g.wait(asio::deferred);
        };
        auto r = launch(
            ctx,
            fanout::retry_rejected(std::views::iota(0, 3), held, fanout::retry_policy{}, fanout::limit(2)),
            stop.slot());
        auto only_sleeping =
            launch(ctx, fanout::retry_rejected(std::views::iota(1, 2), held, fanout::retry_policy{}));
        poll(ctx);
        CHECK_FALSE(r->done);
        CHECK_FALSE(only_sleeping->done);
        CHECK(alive.use_count() > 1);
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("the handler is never called inside the initiation") {
    asio::io_context ctx(1);
    bool called = false;
    bool inside = true;
    asio::post(ctx, [&] {
        fanout::when_all(std::vector<int>{}, [](int) { return turn(); })(
            asio::bind_executor(ctx.get_executor(), [&](std::exception_ptr) {
                called = true;
                CHECK_FALSE(inside);
            }));
        auto at_once = [](int) { return make_operation<void()>([](auto h) { std::move(h)(); }); };
        fanout::when_all(std::vector<int>{1, 2, 3}, at_once)(
            asio::bind_executor(ctx.get_executor(), [&](std::exception_ptr) { CHECK_FALSE(inside); }));
        inside = false;
    });
    ctx.run();
    CHECK(called);
}

TEST_CASE(
    "the state is freed before the handler is called, from the handler's allocator; its executor has work") {
    asio::io_context ctx(1);
    std::ptrdiff_t live = 0;
    auto captured = std::make_shared<int>(0);
    gate g(ctx.get_executor());
    asio::io_context elsewhere(1); // where the handler runs has nothing else to do
    bool called = false;
    auto child = [captured, &g](int) { return g.wait(asio::deferred); };
    auto handler = [&](std::exception_ptr) {
        called = true;
        CHECK(live == 0);
        CHECK(captured.use_count() == 2); // ours, and the named factory's
    };
    fanout::when_all(std::vector<int>{1}, child, fanout::on(asio::make_strand(ctx)))(asio::bind_executor(
        elsewhere.get_executor(), asio::bind_allocator(counting_allocator<void*>(live), handler)));
    CHECK(live > 0);
    poll(ctx);
    elsewhere.poll();
    CHECK_FALSE(elsewhere.stopped());
    g.open();
    poll(ctx);
    CHECK_FALSE(called);
    elsewhere.run();
    CHECK(called);
    CHECK(live == 0);
}

TEST_CASE("the captures of a factory that is a coroutine lambda stay valid until the last child has ended") {
    asio::io_context ctx(1);
    auto text = std::make_shared<std::string>(100, 'x');
    auto factory = [text](int i) -> asio::awaitable<char> {
        co_await turn();
        co_return text->at(static_cast<std::size_t>(i));
    };
    auto op = fanout::when_all(std::views::iota(0, 3), fanout::named(std::move(factory)), fanout::limit(1));
    text.reset();
    CHECK(run(ctx, std::move(op))->value->size() == 3);
}
