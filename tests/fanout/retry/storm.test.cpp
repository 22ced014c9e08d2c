// SPDX-License-Identifier: BSL-1.0

// A backend that is dead, and budgets that keep the retries from being a storm.

#include <fanout/limit/overload_if.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <ranges>
#include <stdexcept>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
using child_function = std::function<asio::awaitable<void>(int)>;
constexpr fanout::retry_policy<fanout::constant> attempts(std::uint32_t n) {
    return {.max_attempts = n, .backoff = {.interval = 1s}};
}

/// Counts its calls, which fail while it is dead.
struct backend {
    std::size_t calls = 0;
    bool dead = true;

    child_function child() {
        return [this](int) -> asio::awaitable<void> {
            ++calls;
            co_await turn();
            if (dead) {
                throw boost::system::system_error(asio::error::connection_refused);
            }
        };
    }
};

template <class Budget>
auto call(asio::io_context& ctx, backend& b, int inputs, Budget& budget, std::uint32_t max_attempts = 4,
          asio::cancellation_slot slot = {}) {
    auto child = b.child();
    auto op = fanout::retry_rejected(std::views::iota(0, inputs), fanout::named(std::move(child)),
                                     attempts(max_attempts), times{}, fanout::limit(16), budget);
    return launch(ctx, std::move(op), slot);
}

} // namespace

TEST_CASE("a dead backend: no more attempts than inputs and what the budget pays for") {
    for (int const inputs : {1, 10, 35, 36, 1000}) {
        asio::io_context ctx(1);
        backend b;
        fanout::token_budget budget; // 500 tokens pay for 35 transient retries
        auto r = call(ctx, b, inputs, budget);
        fanout::testing::run(ctx);
        REQUIRE(r->done);
        auto const paid_for = static_cast<std::size_t>(500 / 14);
        auto const n = static_cast<std::size_t>(inputs);
        MESSAGE(inputs << " inputs, budget " << paid_for << " retries: " << b.calls
                       << " attempts (without a budget " << 4 * inputs << ")");
        CHECK(b.calls <= n + paid_for);
        CHECK(b.calls == n + std::min(3 * n, paid_for));
        CHECK(r->value->failed() == n);
        CHECK(r->value->retries() == b.calls - n);
        CHECK((budget.refused() > 0) == (3 * n > paid_for));
    }
}

TEST_CASE("a budget is shared: the second call finds what the first left, and success fills it again") {
    asio::io_context ctx(1);
    backend b;
    fanout::token_budget budget({.tokens = 140}); // 10 retries
    auto first = call(ctx, b, 8, budget, 2);
    auto second = call(ctx, b, 8, budget, 2);
    fanout::testing::run(ctx);
    REQUIRE(first->done);
    REQUIRE(second->done);
    CHECK(b.calls == 16 + 10);
    CHECK(budget.tokens() == 0);
    b.dead = false;
    auto third = call(ctx, b, 28, budget, 2);
    fanout::testing::run(ctx);
    CHECK(budget.tokens() == 28); // 1 for each that was fulfilled at once
    b.dead = true;
    b.calls = 0;
    auto fourth = call(ctx, b, 8, budget, 2);
    fanout::testing::run(ctx);
    CHECK(b.calls == 8 + 2);
}

TEST_CASE("a retry that is fulfilled gives back what it cost") {
    asio::io_context ctx(1);
    backend b;
    fanout::token_budget budget({.tokens = 100});
    auto r = call(ctx, b, 5, budget);
    poll(ctx);
    CHECK(budget.tokens() == 100 - 5 * 14);
    b.dead = false;
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(r->value->failed() == 0);
    CHECK(budget.tokens() == 100);
}

TEST_CASE("a throttled retry costs less, by what overload_if says") {
    asio::io_context ctx(1);
    backend b;
    fanout::token_budget budget({.tokens = 100});
    auto child = b.child();
    auto throttled = [](fanout::error_code const& e, std::exception_ptr const&) {
        return e == asio::error::connection_refused;
    };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 5), child, attempts(2), times{},
                                                fanout::limit(16), budget, fanout::overload_if(throttled)));
    poll(ctx);
    CHECK(budget.tokens() == 100 - 5 * 5);
    fanout::testing::run(ctx);
    REQUIRE(r->done);
}

TEST_CASE("a budget that follows the width of the fan-out: 1,000 inputs are not starved by 500 tokens") {
    asio::io_context ctx(1);
    backend b;
    fanout::token_budget budget({.tokens = 500, .tokens_per_input = 14});
    auto r = call(ctx, b, 1000, budget, 2);
    poll(ctx);
    CHECK(budget.capacity() == 500 + 14000);
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    CHECK(b.calls == 2000); // one retry for each input
    CHECK(budget.capacity() == 500);

    // Of a source whose size is not known, each input counts as it is pulled.
    auto unsized = std::views::iota(0, 1000) | std::views::filter([](int i) { return i % 2 == 0; });
    fanout::token_budget other({.tokens = 0, .tokens_per_input = 14});
    b.calls = 0;
    auto child = b.child();
    auto u =
        launch(ctx, fanout::retry_rejected(unsized, child, attempts(2), times{}, fanout::limit(16), other));
    fanout::testing::run(ctx);
    REQUIRE(u->done);
    CHECK(b.calls == 1000);
    CHECK(other.capacity() == 0);
}

TEST_CASE("a ratio budget: one retry for five inputs, and ten a second") {
    asio::io_context ctx(1);
    backend b;
    fanout::basic_ratio_budget<manual_clock> budget({.ratio = 0.2, .min_per_second = 0});
    auto r = call(ctx, b, 1000, budget);
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    // A retry is asked for as soon as an input fails, when only those before it have started.
    MESSAGE("1000 inputs, a retry for 5 of them: " << b.calls << " attempts");
    CHECK(b.calls <= 1200);
    CHECK(b.calls >= 1100);
}

TEST_CASE("a retry that does not run is not paid for: the caller cancelled, or the deadline is too near") {
    asio::io_context ctx(1);
    backend b;
    fanout::token_budget budget({.tokens = 1000});
    asio::cancellation_signal stop;
    auto r = call(ctx, b, 50, budget, 4, stop.slot());
    poll(ctx);
    CHECK(budget.tokens() == 1000 - 50 * 14);
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(r->done);
    CHECK(r->value->failed() == 50);
    CHECK(budget.tokens() == 1000);

    auto child = b.child();
    auto near = launch(ctx, fanout::retry_rejected(std::views::iota(0, 5), fanout::named(std::move(child)),
                                                   attempts(4),
                                                   times{.attempt_timeout = std::nullopt, .deadline = 1s},
                                                   fanout::limit(16), budget));
    fanout::testing::run(ctx);
    REQUIRE(near->done);
    CHECK(budget.tokens() == 1000);

    // Nor is one that was due and waited for a permit of its own.
    fanout::semaphore shared(10);
    auto again = b.child();
    auto weight = [](int) { return std::size_t{6}; };
    auto w = launch(ctx,
                    fanout::retry_rejected(std::views::iota(0, 1), fanout::named(std::move(again)),
                                           attempts(4), times{}, fanout::weighted(shared, weight), budget),
                    stop.slot());
    poll(ctx);
    CHECK(budget.tokens() == 1000 - 14);
    auto taken = shared.try_acquire(5);
    REQUIRE(taken);
    manual_clock::advance(1s, ctx);
    CHECK_FALSE(w->done);
    stop.emit(asio::cancellation_type::terminal);
    poll(ctx);
    REQUIRE(w->done);
    CHECK(w->value->attempts[0] == 1);
    CHECK(budget.tokens() == 1000);
}
