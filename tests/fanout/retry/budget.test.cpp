// SPDX-License-Identifier: BSL-1.0

#include <fanout/retry/budget.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using fanout::token_budget;

namespace {

/// Stands still until it is set.
struct still_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<still_clock>;

    static inline time_point time{};
    static time_point now() noexcept { return time; }
    static void set(duration since_start) { time = time_point(1h + since_start); }
};

using ratio_budget = fanout::basic_ratio_budget<still_clock>;

/// How many retries it allows in a row.
template <class Budget>
std::uint64_t withdraw_all(Budget& b, bool throttled = false) {
    std::uint64_t n = 0;
    while (b.try_withdraw(throttled)) {
        ++n;
    }
    return n;
}

void start(ratio_budget& b, int inputs) {
    for (int i = 0; i < inputs; ++i) {
        b.started();
    }
}

/// Runs it on four threads that begin together.
template <class F>
void on_four_threads(F f) {
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&ready, f, i] {
            ++ready;
            while (ready < 4) {
                std::this_thread::yield();
            }
            f(i);
        });
    }
    for (auto& t : threads) {
        t.join();
    }
}

} // namespace

// token_budget

TEST_CASE("token_budget: starts full, with the AWS SDKs' numbers of 2026") {
    token_budget b;
    CHECK(b.tokens() == 500);
    CHECK(b.capacity() == 500);
    CHECK(b.refused() == 0);
    CHECK(b.try_withdraw(false) == 14U);
    CHECK(b.tokens() == 486);
    CHECK(b.try_withdraw(true) == 5U);
    CHECK(b.tokens() == 481);
    b.fulfilled(0);
    CHECK(b.tokens() == 482);
}

TEST_CASE("token_budget: a backend that is dead gets 35 retries, one that throttles 100") {
    token_budget dead;
    CHECK(withdraw_all(dead) == 35);
    token_budget throttles;
    CHECK(withdraw_all(throttles, true) == 100);
}

TEST_CASE("token_budget: a refused retry takes nothing, and a cheaper one may still be") {
    token_budget b({.tokens = 20});
    CHECK(b.try_withdraw(false) == 14U);
    CHECK(b.try_withdraw(false) == std::nullopt);
    CHECK(b.tokens() == 6);
    CHECK(b.refused() == 1);
    CHECK(b.try_withdraw(true) == 5U);
    CHECK(b.tokens() == 1);
    CHECK(b.try_withdraw(true) == std::nullopt);
    CHECK(b.refused() == 2);
}

TEST_CASE("token_budget: the last token is spent") {
    token_budget b({.tokens = 14});
    CHECK(b.try_withdraw(false) == 14U);
    CHECK(b.tokens() == 0);
}

TEST_CASE("token_budget: a retry that succeeds gives back its own cost, one that fails nothing") {
    token_budget b({.tokens = 100});
    auto const first = b.try_withdraw(false); // failed
    auto const last = b.try_withdraw(true);   // fulfilled
    REQUIRE((first && last));
    CHECK(b.tokens() == 81);
    b.fulfilled(*last);
    CHECK(b.tokens() == 86);
}

TEST_CASE("token_budget: a retry that did not run gives back what it cost") {
    token_budget b({.tokens = 100});
    b.give_back(b.try_withdraw(false).value());
    CHECK(b.tokens() == 100);
}

TEST_CASE("token_budget: there are never more tokens than the capacity") {
    token_budget b({.tokens = 100, .first_success = 30});
    b.fulfilled(0);
    CHECK(b.tokens() == 100);
    b.give_back(14);
    CHECK(b.tokens() == 100);
    CHECK(b.try_withdraw(true));
    b.fulfilled(0);
    CHECK(b.tokens() == 100);
    b.fulfilled(std::numeric_limits<std::uint32_t>::max());
    CHECK(b.tokens() == 100);
}

TEST_CASE("token_budget: successes at the first attempt fill it again") {
    token_budget b({.tokens = 28, .first_success = 7});
    CHECK(withdraw_all(b) == 2);
    b.fulfilled(0);
    CHECK_FALSE(b.try_withdraw(false));
    b.fulfilled(0);
    CHECK(b.try_withdraw(false) == 14U);

    token_budget unforgiving({.tokens = 28, .first_success = 0});
    CHECK(withdraw_all(unforgiving) == 2);
    unforgiving.fulfilled(0);
    CHECK(unforgiving.tokens() == 0);
}

TEST_CASE("token_budget: 500 tokens starve a fan-out of 1,000, unless it grows with it") {
    token_budget fixed;
    fixed.widen(1000);
    CHECK(fixed.capacity() == 500);
    CHECK(withdraw_all(fixed) == 35);
    fixed.narrow(1000);
    CHECK(fixed.capacity() == 500);

    token_budget grows({.tokens_per_input = 14});
    grows.widen(1000);
    CHECK(grows.capacity() == 14500);
    CHECK(grows.tokens() == 14500);
    CHECK(withdraw_all(grows) == 1035);
    grows.narrow(1000);
    CHECK(grows.capacity() == 500);
    CHECK(grows.tokens() == 10);
}

TEST_CASE("token_budget: what a fan-out leaves over stays, up to the capacity without it") {
    token_budget b({.tokens = 100, .tokens_per_input = 10});
    b.widen(5);
    CHECK(b.try_withdraw(false));
    CHECK(b.tokens() == 136);
    b.narrow(5);
    CHECK(b.tokens() == 100);
    b.fulfilled(14); // a late one
    CHECK(b.tokens() == 100);
}

TEST_CASE("token_budget: fan-outs that overlap each bring their own") {
    token_budget b({.tokens = 100, .tokens_per_input = 2});
    b.widen(50);
    b.widen(10);
    CHECK(b.capacity() == 220);
    b.narrow(50);
    CHECK(b.capacity() == 120);
    CHECK(b.tokens() == 120);
    b.narrow(10);
    CHECK(b.capacity() == 100);
    b.narrow(10); // more than there is
    CHECK(b.capacity() == 100);
}

TEST_CASE("token_budget: no number of inputs overflows it") {
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    token_budget b({.tokens = most, .first_success = most, .tokens_per_input = most});
    b.widen(std::numeric_limits<std::size_t>::max());
    auto const capacity = b.capacity();
    CHECK(capacity > std::uint64_t{1} << 63);
    b.widen(1);
    CHECK(b.capacity() == capacity);
    b.fulfilled(0);
    CHECK(b.tokens() == capacity);
    b.narrow(std::numeric_limits<std::size_t>::max());
    CHECK(b.capacity() == most);
    CHECK(b.tokens() == most);
}

TEST_CASE("token_budget: without tokens nothing is retried") {
    token_budget b({.tokens = 0});
    CHECK_FALSE(b.try_withdraw(true));
    CHECK_THROWS_WITH_AS(token_budget({.transient_cost = 0}),
                         "fanout::token_budget: transient_cost must be at least 1, or retries had no bound",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(token_budget({.throttled_cost = 0}),
                         "fanout::token_budget: throttled_cost must be at least 1, or retries had no bound",
                         std::invalid_argument);
}

TEST_CASE("token_budget: threads that share it neither lose nor make a token") {
    token_budget b({.tokens = 60, .first_success = 0});
    std::atomic<std::uint64_t> refused = 0;
    std::atomic<std::uint64_t> kept = 0;
    std::atomic<bool> too_many = false;
    on_four_threads([&](int thread) {
        for (int i = 0; i < 5000; ++i) {
            auto const a = b.try_withdraw(false);
            auto const c = b.try_withdraw(true);
            refused += static_cast<unsigned>(!a) + static_cast<unsigned>(!c);
            if (b.tokens() > 60) {
                too_many = true;
            }
            if (a) {
                b.give_back(*a);
            }
            if (c && thread == 0 && i % 1000 == 999) {
                kept += *c;
            } else if (c) {
                b.fulfilled(*c);
            }
        }
    });
    CHECK_FALSE(too_many);
    CHECK(b.tokens() == 60 - kept);
    CHECK(b.refused() == refused);
    CHECK(b.capacity() == 60);
}

TEST_CASE("token_budget: fan-outs that come and go on several threads leave its capacity as it was") {
    token_budget b({.tokens = 60, .tokens_per_input = 3});
    on_four_threads([&](int thread) {
        for (int i = 0; i < 5000; ++i) {
            auto const n = static_cast<std::size_t>(thread + i % 7);
            b.widen(n);
            if (auto const cost = b.try_withdraw(false)) {
                b.fulfilled(*cost);
            }
            b.narrow(n);
        }
    });
    CHECK(b.capacity() == 60);
    CHECK(b.tokens() == 60);
}

// ratio_budget

TEST_CASE("ratio_budget: Finagle's defaults allow 10 retries a second for 10 seconds at once") {
    still_clock::set(0s);
    ratio_budget b;
    CHECK(b.balance() == 100);
    CHECK(withdraw_all(b) == 100);
    CHECK(b.balance() == 0);
    CHECK(b.refused() == 1);
}

TEST_CASE("ratio_budget: each input that starts allows a fraction of a retry") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 0.2, .min_per_second = 0});
    start(b, 4);
    CHECK(b.balance() == 0);
    CHECK_FALSE(b.try_withdraw(false));
    start(b, 1);
    CHECK(b.balance() == 1);
    CHECK(b.try_withdraw(false) == 1U);
    CHECK_FALSE(b.try_withdraw(true));
    CHECK(b.refused() == 2);
    b.fulfilled(1);
    b.fulfilled(0);
    CHECK(b.balance() == 0); // success earns nothing
}

TEST_CASE("ratio_budget: the ratio is exact, whatever a double makes of it") {
    still_clock::set(0s);
    for (auto const percent : {1, 7, 10, 29, 30, 57, 70, 99, 100}) {
        CAPTURE(percent);
        ratio_budget b({.ratio = percent / 100.0, .min_per_second = 0});
        start(b, 100);
        CHECK(withdraw_all(b) == static_cast<std::uint64_t>(percent));
    }
}

TEST_CASE("ratio_budget: a ratio of 0 leaves the reserve, one of 2 allows two retries of each input") {
    still_clock::set(0s);
    ratio_budget reserve({.ratio = 0, .min_per_second = 0.3});
    start(reserve, 1000);
    CHECK(withdraw_all(reserve) == 3);
    ratio_budget twice({.ratio = 2, .min_per_second = 0});
    start(twice, 1000);
    CHECK(withdraw_all(twice) == 2000);
    ratio_budget never({.ratio = 0, .min_per_second = 0});
    start(never, 1000);
    CHECK(withdraw_all(never) == 0);
}

TEST_CASE("ratio_budget: deposits expire, window by window") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 1, .min_per_second = 0, .expiry = 10s});
    for (int second = 0; second < 10; ++second) {
        still_clock::set(std::chrono::seconds(second));
        start(b, 1);
        still_clock::set(std::chrono::seconds(second) + 999999999ns);
        start(b, 1);
        CHECK(b.balance() == static_cast<std::uint64_t>(2 * (second + 1)));
    }
    for (int second = 10; second < 20; ++second) {
        still_clock::set(std::chrono::seconds(second) - 1ns);
        CHECK(b.balance() == static_cast<std::uint64_t>(2 * (20 - second)));
        still_clock::set(std::chrono::seconds(second));
        CHECK(b.balance() == static_cast<std::uint64_t>(2 * (19 - second)));
    }
    CHECK_FALSE(b.try_withdraw(false));
}

TEST_CASE("ratio_budget: withdrawals expire as deposits do, so the reserve comes back") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 0, .min_per_second = 1, .expiry = 10s});
    for (int second = 0; second < 10; ++second) {
        still_clock::set(std::chrono::seconds(second) + 500ms);
        CHECK(b.try_withdraw(false));
    }
    CHECK_FALSE(b.try_withdraw(false));
    still_clock::set(10s);
    CHECK(withdraw_all(b) == 1);
    still_clock::set(12s);
    CHECK(withdraw_all(b) == 2);
}

TEST_CASE("ratio_budget: withdrawals that outlive their deposits are a debt") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 1, .min_per_second = 0, .expiry = 10s});
    start(b, 5);
    still_clock::set(9s);
    CHECK(withdraw_all(b) == 5);
    still_clock::set(10s); // the deposits are forgotten, the withdrawals are not
    CHECK(b.balance() == 0);
    start(b, 7);
    CHECK(b.balance() == 2);
    still_clock::set(19s);
    CHECK(b.balance() == 7);
}

TEST_CASE("ratio_budget: after a long pause nothing is remembered") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 1, .min_per_second = 1});
    start(b, 50);
    CHECK(withdraw_all(b) == 60);
    still_clock::set(24h * 365 * 100);
    CHECK(b.balance() == 10);
    start(b, 1);
    CHECK(withdraw_all(b) == 11);
}

TEST_CASE("ratio_budget: a clock that is set back stands still") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 1, .min_per_second = 0});
    still_clock::set(15s);
    start(b, 3);
    still_clock::set(12s);
    start(b, 2);
    still_clock::set(-1003s);
    CHECK(b.balance() == 5);
    CHECK(b.try_withdraw(false) == 1U);
    still_clock::set(22s); // so all of it counts as of second 15
    CHECK(b.balance() == 4);
    still_clock::set(24999ms);
    CHECK(b.balance() == 4);
    still_clock::set(25s);
    CHECK(b.balance() == 0);
}

TEST_CASE("ratio_budget: over a steady stream in which all fails, a fifth is retried") {
    still_clock::set(0s);
    ratio_budget none_free({.ratio = 0.2, .min_per_second = 0});
    ratio_budget with_reserve({.ratio = 0.2, .min_per_second = 10});
    int retried = 0;
    int retried_with_reserve = 0;
    for (int i = 0; i < 10000; ++i) { // 100 a second, for 100 seconds; every attempt fails
        still_clock::set(i * 10ms);
        none_free.started();
        retried += static_cast<int>(withdraw_all(none_free));
        with_reserve.started();
        retried_with_reserve += static_cast<int>(withdraw_all(with_reserve));
    }
    CHECK(retried <= 2000);
    CHECK(retried >= 1990);
    CHECK(retried_with_reserve <= 3000 + 100); // 10 a second more
    CHECK(retried_with_reserve >= 2990);
}

TEST_CASE("ratio_budget: a retry that did not run frees the oldest withdrawal") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 0, .min_per_second = 0.5, .expiry = 10s});
    CHECK(b.try_withdraw(false));
    CHECK(b.try_withdraw(false));
    still_clock::set(5s);
    auto const cost = b.try_withdraw(false);
    REQUIRE(cost);
    CHECK(b.balance() == 2);
    b.give_back(*cost);
    CHECK(b.balance() == 3);
    still_clock::set(10s); // forgets the other one of second 0, not that of second 5
    CHECK(b.balance() == 4);
    still_clock::set(15s);
    CHECK(b.balance() == 5);
}

TEST_CASE("ratio_budget: giving back makes no more than there would be without") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 0, .min_per_second = 0.5, .expiry = 10s});
    b.give_back(1);
    CHECK(b.balance() == 5);
    auto const cost = b.try_withdraw(false);
    REQUIRE(cost);
    still_clock::set(10s); // the withdrawal is forgotten before it is given back
    b.give_back(*cost);
    CHECK(b.balance() == 5);
    CHECK(b.try_withdraw(false));
    still_clock::set(12s);
    CHECK(b.try_withdraw(false));
    b.give_back(std::numeric_limits<std::uint32_t>::max());
    CHECK(b.balance() == 5);
    CHECK(b.try_withdraw(false));
    still_clock::set(23s); // that one is forgotten, and not what is given back
    CHECK(b.try_withdraw(false));
    b.give_back(1);
    CHECK(b.balance() == 5);
}

TEST_CASE("ratio_budget: numbers without measure do not overflow it") {
    still_clock::set(0s);
    constexpr auto most = std::numeric_limits<double>::max();
    ratio_budget b({.ratio = most, .min_per_second = most, .expiry = std::chrono::nanoseconds::max()});
    start(b, 3);
    CHECK(b.balance() == std::numeric_limits<std::uint64_t>::max());
    CHECK(b.try_withdraw(false) == 1U);
    still_clock::set(24h * 365 * 200);
    CHECK(b.balance() == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("ratio_budget: the shortest expiry") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 1, .min_per_second = 0, .expiry = 1ms});
    start(b, 1);
    still_clock::set(1ms - 1ns);
    CHECK(b.balance() == 1);
    still_clock::set(1ms);
    CHECK(b.balance() == 0);
}

TEST_CASE("ratio_budget: options without sense are refused in a sentence") {
    still_clock::set(0s);
    constexpr auto infinite = std::numeric_limits<double>::infinity();
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    for (auto const wrong : {-0.1, infinite, nan}) {
        CHECK_THROWS_WITH_AS(ratio_budget({.ratio = wrong}),
                             "fanout::ratio_budget: ratio must be at least 0, and finite",
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(ratio_budget({.min_per_second = wrong}),
                             "fanout::ratio_budget: min_per_second must be at least 0, and finite",
                             std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(ratio_budget({.expiry = 999us}),
                         "fanout::ratio_budget: expiry must be at least 1 ms", std::invalid_argument);
}

TEST_CASE("ratio_budget: threads that share it get together what one would get") {
    still_clock::set(0s);
    ratio_budget b({.ratio = 0.5, .min_per_second = 2}); // 20, and one for two inputs
    std::atomic<std::uint64_t> retried = 0;
    std::atomic<std::uint64_t> refused = 0;
    on_four_threads([&](int) {
        for (int i = 0; i < 5000; ++i) {
            b.started();
            if (auto const cost = b.try_withdraw(i % 2 == 0)) {
                if (i % 3 == 0) {
                    b.give_back(*cost);
                } else {
                    ++retried;
                    b.fulfilled(*cost);
                }
            } else {
                ++refused;
            }
            if (b.balance() > 20 + 10000) {
                ++retried; // and so the sum is wrong
            }
        }
    });
    CHECK(b.refused() == refused);
    CHECK(retried + withdraw_all(b) == 20 + 20000 / 2);
}

TEST_CASE("ratio_budget: counts by the steady clock without being told") {
    fanout::ratio_budget b({.ratio = 0, .min_per_second = 1, .expiry = 1h});
    CHECK(b.try_withdraw(false) == 1U);
    CHECK(b.balance() == 3599);
}

// The concept

namespace {

template <class B>
constexpr bool is_shared_budget =
    fanout::retry_budget<B> && !std::is_copy_constructible_v<B> && !std::is_copy_assignable_v<B>;
static_assert(is_shared_budget<token_budget> && is_shared_budget<fanout::ratio_budget>);
static_assert(fanout::detail::has_widen<token_budget> && !fanout::detail::has_started<token_budget>);
static_assert(fanout::detail::has_started<ratio_budget> && !fanout::detail::has_widen<ratio_budget>);

struct at_most_three {
    std::optional<std::uint32_t> try_withdraw(bool) noexcept {
        return left-- > 0 ? std::optional(1U) : std::nullopt;
    }
    void give_back(std::uint32_t) noexcept { ++left; }
    void fulfilled(std::uint32_t) noexcept {}
    int left = 3;
};
static_assert(fanout::retry_budget<at_most_three>);

struct its_hook_throws : at_most_three {
    void started() {}
};
static_assert(!fanout::retry_budget<its_hook_throws>);

struct its_narrowing_throws : at_most_three {
    void widen(std::size_t) noexcept {}
    void narrow(std::size_t) {}
};
static_assert(!fanout::retry_budget<its_narrowing_throws>);

} // namespace
