// SPDX-License-Identifier: BSL-1.0

// Retries under random children, cancellations and deadlines, against what an observer counted.

#include <fanout/detail/first_failures.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;

namespace {

using times = fanout::basic_options<manual_clock>;
using about = fanout::basic_attempt<manual_clock>;

/// What the budget must have lost in the end, and how often each input was run.
struct ledger {
    static constexpr long cost = 14;
    long spent = 0;
    std::map<std::size_t, std::uint32_t> attempts{};

    void on_started(fanout::started_event const& e) noexcept {
        spent += e.attempt > 1 ? cost : 0;
        ++attempts[e.index];
    }
    void on_settled(fanout::settled_event const& e) noexcept {
        spent -= e.attempt > 1 && e.what == fanout::state::fulfilled ? cost : 0;
    }
};

struct random_run {
    explicit random_run(unsigned seed) : random(seed) {}

    int draw(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random); }

    /// Ends at once, after a turn, or after a sleep; well or not.
    asio::awaitable<int> child(std::size_t i, about const& a) {
        auto const number = a.number;
        auto const token = a.token;
        if (auto const kind = draw(3); kind == 1) {
            co_await turn();
        } else if (kind == 2) {
            asio::basic_waitable_timer<manual_clock> timer(ctx, std::chrono::seconds(draw(6)));
            co_await timer.async_wait(asio::deferred);
        }
        same_attempt = same_attempt && a.number == number && a.token == token;
        if (draw(2) == 0) {
            co_return 1;
        }
        auto const message = "input " + std::to_string(i) + ", attempt " + std::to_string(number);
        if (number == 1) {
            first[i] = message;
        }
        throw std::runtime_error(message);
    }

    fanout::semaphore three{3}; // outlives the context, and so whoever waits for it
    fanout::token_budget budget{{.tokens = 10'000, .first_success = 0}};
    std::mt19937 random;
    asio::io_context ctx{1};
    asio::cancellation_signal stop{};
    ledger seen{};
    std::map<std::size_t, std::string> first{}; ///< messages of first attempts that threw
    bool same_attempt = true;                   ///< no child saw its attempt change
};

} // namespace

TEST_CASE("random fan-outs: the budget balances, attempts and first errors are right, all ends") {
    for (unsigned seed = 1; seed <= 150; ++seed) {
        random_run run(seed);
        auto const n = static_cast<std::size_t>(1 + run.draw(40));
        fanout::retry_policy<> const policy{.max_attempts = static_cast<std::uint32_t>(1 + run.draw(5)),
                                            .backoff = {.base = std::chrono::seconds(run.draw(4))}};
        times limits;
        if (run.draw(3) == 0) {
            limits.deadline = std::chrono::seconds(run.draw(30));
        }
        if (run.draw(3) == 0) {
            limits.attempt_timeout = std::chrono::seconds(1 + run.draw(4));
        }
        auto const child = [&run](std::size_t i, about const& a) { return run.child(i, a); };
        auto r =
            launch(run.ctx,
                   fanout::retry_rejected(std::views::iota(std::size_t{0}, n), child, policy, limits,
                                          fanout::jitter_from(run.random), run.seen, run.budget, run.three),
                   run.stop.slot());
        if (run.draw(2) == 0) { // the caller cancels somewhere on the way
            fanout::testing::run_for(run.ctx, std::chrono::seconds(run.draw(40)));
            run.stop.emit(run.draw(2) == 0 ? asio::cancellation_type::terminal
                                           : asio::cancellation_type::total);
        }
        fanout::testing::run(run.ctx);

        CAPTURE(seed);
        REQUIRE(r->done);
        REQUIRE(r->value);
        CHECK(run.same_attempt);
        CHECK(run.three.in_use() == 0);
        CHECK(static_cast<long>(run.budget.tokens()) == 10'000 - run.seen.spent);
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(r->value->attempts[i] == run.seen.attempts[i]);
        }
        for (auto const& f : r->value->failures()) {
            if (run.first.contains(f.index)) { // else its first attempt was cancelled, or timed out
                CHECK(fanout::detail::what_of(f.first_error, f.first_exception) == run.first[f.index]);
            }
        }
    }
}

TEST_CASE("first errors that are kept and forgotten in any order: what is left is right, and in order") {
    constexpr std::size_t inputs = 3'000;
    auto const code = [](std::size_t i) {
        return fanout::error_code(static_cast<int>(i % 100 + 1), boost::system::generic_category());
    };
    for (unsigned odds = 1; odds <= 6; ++odds) {
        std::mt19937 random(odds);
        fanout::detail::first_failures firsts;
        std::vector<bool> kept(inputs, false);
        for (int step = 0; step < 20'000; ++step) {
            auto const i = static_cast<std::size_t>(random() % inputs);
            if (!kept[i]) {
                firsts.keep(i, fanout::detail::failed_outcome<int>(code(i), nullptr));
                kept[i] = true;
            } else if (random() % odds == 0) {
                firsts.forget(i);
                kept[i] = false;
            }
        }
        auto const left = firsts.take();
        REQUIRE(left.size() == static_cast<std::size_t>(std::ranges::count(kept, true)));
        auto wrong = 0;
        for (std::size_t i = 0, at = 0; i < inputs; ++i) {
            if (kept[i]) {
                wrong += left[at].index == i && left[at].error == code(i) ? 0 : 1;
                ++at;
            }
        }
        CHECK(wrong == 0);
    }
}
