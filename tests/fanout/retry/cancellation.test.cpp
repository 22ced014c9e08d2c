// SPDX-License-Identifier: BSL-1.0

// A cancellation in each phase of a retry: it ends promptly, and each input in the right state.

#include <fanout/limit/semaphore.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
using child_function = std::function<asio::awaitable<int>(int)>;
constexpr fanout::retry_policy<fanout::constant> four_attempts{.max_attempts = 4,
                                                               .backoff = {.interval = 10s}};

/// Three inputs with one permit of a shared limit between them. Input 0 fails at once; input 1 runs until it is
/// told to end; input 2 comes last.
struct phases {
    fanout::semaphore shared{1}; // outlives the context, and so whoever waits for it
    fanout::stats seen{};
    asio::cancellation_signal stop{};
    asio::io_context ctx{1};
    gate second{ctx.get_executor()};
    std::map<int, int> calls{};
    std::shared_ptr<launched<fanout::retried<int>>> r{};

    void start(times const& t = {}) {
        auto child = child_function([this](int i) -> asio::awaitable<int> {
            ++calls[i];
            if (i == 1) {
                co_await second.wait(asio::deferred);
            } else {
                co_await turn();
            }
            throw std::runtime_error("input " + std::to_string(i));
        });
        auto op = fanout::retry_rejected(std::views::iota(0, 3), fanout::named(std::move(child)),
                                         four_attempts, t, shared, seen);
        r = launch(ctx, std::move(op), stop.slot());
        poll(ctx);
    }

    fanout::error_code code(std::size_t i) const { return r->value->outcomes[i].error(); }
    fanout::state state(std::size_t i) const { return fanout::state_of(r->value->outcomes[i]); }
    std::string message(std::size_t i) const {
        try {
            (void)r->value->outcomes[i].value();
        } catch (std::exception const& e) {
            return e.what();
        }
        return "";
    }
};

} // namespace

TEST_CASE("running, sleeping, not started: each in its state, at once, whatever the kind of cancellation") {
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total}) {
        phases p;
        p.start();
        REQUIRE(p.second.waiting()); // 0 sleeps, 1 runs, 2 has not started
        auto const then = manual_clock::now();
        p.stop.emit(type);
        poll(p.ctx);
        if (type != asio::cancellation_type::terminal) { // what runs is let be
            CHECK(p.second.cancels == 0);
            REQUIRE_FALSE(p.r->done);
            p.second.open();
            poll(p.ctx);
        }
        REQUIRE(p.r->done);
        CHECK(manual_clock::now() == then);
        CHECK(p.message(0) == "input 0"); // its last error: the effect of that attempt is known
        CHECK(p.state(0) == fanout::state::rejected);
        if (type == asio::cancellation_type::terminal) {
            CHECK(p.code(1) == fanout::errc::cancelled_by_caller);
        } else {
            CHECK(p.message(1) == "input 1"); // it ran to its end, and is not run again
        }
        CHECK(p.code(2) == fanout::errc::not_started);
        CHECK(p.calls == std::map<int, int>{{0, 1}, {1, 1}});
        CHECK(p.r->value->attempts == std::vector<std::uint32_t>{1, 1, 0});
        CHECK(p.seen.rejected() == 2);
        CHECK(p.seen.not_started() == 1);
    }
}

TEST_CASE("a retry that is due and waits for a permit: it ends with its last error, and gives up its place") {
    phases p;
    p.start();
    manual_clock::advance(10s, p.ctx); // 0 is due; 1 has the permit
    REQUIRE_FALSE(p.r->done);
    CHECK(p.calls[0] == 1);
    auto const then = manual_clock::now();
    p.stop.emit(asio::cancellation_type::terminal);
    poll(p.ctx);
    REQUIRE(p.r->done);
    CHECK(manual_clock::now() == then);
    CHECK(p.message(0) == "input 0");
    CHECK(p.code(1) == fanout::errc::cancelled_by_caller);
    CHECK(p.code(2) == fanout::errc::not_started);
    CHECK(p.shared.try_acquire()); // nobody stands before us in its line
}

TEST_CASE("the deadline in each phase: what runs has timed out, what sleeps keeps its error, the rest is not "
          "started") {
    phases p;
    p.start(times{.attempt_timeout = std::nullopt, .deadline = 12s});
    manual_clock::advance(12s, p.ctx);
    REQUIRE(p.r->done);
    CHECK(p.message(0) == "input 0");
    CHECK(p.code(1) == fanout::errc::timed_out);
    CHECK(p.code(2) == fanout::errc::not_started);
    CHECK(p.r->value->attempts == std::vector<std::uint32_t>{1, 1, 0});
}

TEST_CASE("a second attempt that is cancelled: its effect is unknown, and the first error is not forgotten") {
    asio::io_context ctx(1);
    gate hold(ctx.get_executor());
    auto child = child_function([&hold, n = 0](int) mutable -> asio::awaitable<int> {
        if (++n == 1) {
            throw std::runtime_error("first");
        }
        co_await hold.wait(asio::deferred);
        co_return n;
    });
    asio::cancellation_signal stop;
    fanout::stats seen;
    fanout::semaphore shared(1);
    auto op = fanout::retry_rejected(std::views::iota(0, 1), fanout::named(std::move(child)), four_attempts,
                                     times{}, shared, seen);
    auto r = launch(ctx, std::move(op), stop.slot());
    poll(ctx);
    manual_clock::advance(10s, ctx);
    REQUIRE(hold.waiting());
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(r->done);
    auto const failures = r->value->failures();
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].attempts == 2);
    CHECK(failures[0].error == fanout::errc::cancelled_by_caller);
    CHECK(fanout::detail::what_of({}, failures[0].first_exception) == "first");
}

TEST_CASE("a context that ends in each phase frees everything") {
    for (auto const wait : {0s, 5s, 10s}) {
        auto p = std::make_unique<phases>();
        p->start();
        if (wait > 0s) {
            manual_clock::advance(wait, p->ctx);
        }
        CHECK_FALSE(p->r->done);
    }
}
