// SPDX-License-Identifier: BSL-1.0

#include <fanout/retry/backoff.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr int draws = 100000;

/// What 10^5 inputs sleep before retry number `retry`, each with a state of its own that has seen the retries before.
template <class Backoff>
class slept {
public:
    slept(Backoff const& b, std::uint32_t retry) {
        std::mt19937_64 seeded(42);
        for (int i = 0; i < draws; ++i) {
            fanout::detail::backoff_state_t<Backoff> state;
            for (std::uint32_t r = 0; r < retry; ++r) {
                fanout::detail::next_delay(b, r, seeded, state);
            }
            sleeps_.push_back(fanout::detail::next_delay(b, retry, seeded, state));
        }
        std::sort(sleeps_.begin(), sleeps_.end());
    }

    double mean() const {
        double sum = 0;
        for (auto const s : sleeps_) {
            sum += static_cast<double>(s.count());
        }
        return sum / draws;
    }
    nanoseconds least() const { return sleeps_.front(); }
    nanoseconds most() const { return sleeps_.back(); }

    /// Which fraction sleeps no longer than that.
    double fraction(nanoseconds at_most) const {
        auto const end = std::upper_bound(sleeps_.begin(), sleeps_.end(), at_most);
        return static_cast<double>(end - sleeps_.begin()) / draws;
    }
    double median() const { return static_cast<double>(sleeps_[draws / 2].count()); }

private:
    std::vector<nanoseconds> sleeps_;
};

doctest::Approx about(double x, double relative = 0.01) { return doctest::Approx(x).epsilon(relative); }

/// The integral of f over [a, b], by Simpson's rule.
template <class F>
double integral(F f, double a, double b) {
    constexpr int n = 20000;
    auto const h = (b - a) / n;
    auto sum = f(a) + f(b);
    for (int i = 1; i < n; ++i) {
        sum += (i % 2 == 1 ? 4 : 2) * f(a + i * h);
    }
    return sum * h / 3;
}

/// Polly's growth function, its tanh written out.
double polly_growth(double t) {
    auto const e = std::exp(-4 * std::sqrt(t)); // tanh x = (1 - e^-2x) / (1 + e^-2x), x = 2 √t
    return std::pow(2.0, t) * (1 - e) / (1 + e);
}

/// The least or the greatest that a generator can yield, for ever.
template <bool Greatest>
struct stuck {
    using result_type = std::uint64_t;
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return ~result_type{0}; }
    result_type operator()() { return Greatest ? max() : min(); }
};

} // namespace

TEST_CASE("exponential: the bound doubles up to the cap") {
    fanout::exponential const e{.base = 50ms, .cap = 20s};
    CHECK(e.bound(0) == 50ms);
    CHECK(e.bound(1) == 100ms);
    CHECK(e.bound(8) == 12800ms);
    CHECK(e.bound(9) == 20s);
    CHECK(e.bound(4000000000U) == 20s);
    CHECK(fanout::exponential{.base = 30s, .cap = 20s}.bound(0) == 20s);
    CHECK(fanout::exponential{.base = 0s, .cap = 20s}.bound(100) == 0s);
    static_assert(fanout::exponential{}.bound(2) == 200ms);
}

TEST_CASE("exponential: full jitter is uniform between 0 and the bound") {
    slept const s(fanout::exponential{.base = 100ms, .cap = 20s}, 2);
    CHECK(s.mean() == about(200e6)); // half of 400 ms, in ns
    CHECK(s.least() >= 0ns);
    CHECK(s.least() < 1ms);
    CHECK(s.most() < 400ms);
    CHECK(s.most() > 399ms);
    CHECK(s.fraction(100ms) == about(0.25, 0.02));
}

TEST_CASE("exponential: equal jitter is uniform in the upper half of the bound") {
    slept const s(fanout::exponential{.base = 100ms, .cap = 20s, .jitter = fanout::jitter::equal}, 2);
    CHECK(s.mean() == about(300e6));
    CHECK(s.least() >= 200ms);
    CHECK(s.least() < 201ms);
    CHECK(s.most() <= 400ms);
    CHECK(s.most() > 399ms);
    CHECK(s.fraction(250ms) == about(0.25, 0.02));
}

TEST_CASE("exponential: without jitter the bound is slept") {
    fanout::exponential const e{.base = 100ms, .cap = 1s, .jitter = fanout::jitter::none};
    std::minstd_rand seeded(42);
    auto const before = seeded;
    CHECK(e.delay(0, seeded) == 100ms);
    CHECK(e.delay(3, seeded) == 800ms);
    CHECK(e.delay(4, seeded) == 1s);
    CHECK(seeded == before);
}

TEST_CASE("exponential: the jitter is drawn below the cap, not cut to it") {
    slept const s(fanout::exponential{.base = 30s, .cap = 20s}, 5);
    CHECK(s.mean() == about(10e9));
    CHECK(s.most() < 20s);
}

TEST_CASE("none and constant sleep the same each time, and draw nothing") {
    std::minstd_rand seeded(42);
    auto const before = seeded;
    for (std::uint32_t const retry : {0U, 1U, 4000000000U}) {
        CHECK(fanout::none{}.delay(retry, seeded) == 0ns);
        CHECK(fanout::constant{}.delay(retry, seeded) == 1s);
        CHECK(fanout::constant{.interval = 7ms}.delay(retry, seeded) == 7ms);
    }
    CHECK(seeded == before);
}

TEST_CASE("decorrelated: each sleep is uniform between the base and three times the one before") {
    fanout::decorrelated const d{.base = 100ms, .cap = 1h};
    slept const first(d, 0);
    CHECK(first.mean() == about(200e6)); // U(1, 3)
    CHECK(first.least() >= 100ms);
    CHECK(first.least() < 101ms);
    CHECK(first.most() <= 300ms);
    CHECK(first.most() > 299ms);
    CHECK(first.fraction(150ms) == about(0.25, 0.02));
    // E(next) = (base + 3 E(previous)) / 2
    slept const second(d, 1);
    CHECK(second.mean() == about(350e6));
    CHECK(second.least() >= 100ms);
    CHECK(second.most() > 700ms);
    CHECK(second.most() <= 900ms);
    CHECK(slept(d, 2).mean() == about(575e6));
    CHECK(slept(d, 3).mean() == about(912.5e6));
}

TEST_CASE("decorrelated: what is drawn above the cap is the cap") {
    fanout::decorrelated const d{.base = 100ms, .cap = 200ms};
    slept const first(d, 0); // U(100, 300): half of them are the cap
    CHECK(first.most() == 200ms);
    CHECK(first.fraction(199999999ns) == about(0.5, 0.02));
    CHECK(first.mean() == about(175e6));

    // After a sleep of p ms: U(100, 3p), whose part above 200 is 200.
    auto const after = [](double p) { return (15000 + 200 * (3 * p - 200)) / (3 * p - 100); };
    auto const expected = 0.5 * after(200) + 0.5 * integral(after, 100, 200) / 100;
    slept const second(d, 1);
    CHECK(second.most() == 200ms);
    CHECK(second.least() >= 100ms);
    CHECK(second.mean() == about(expected * 1e6));

    CHECK(slept(fanout::decorrelated{.base = 1s, .cap = 1s}, 3).least() == 1s);
    CHECK(slept(fanout::decorrelated{.base = 0s, .cap = 1s}, 3).most() == 0s);
}

TEST_CASE("polly_v2: the first sleep is f(U) / 1.4 times the base") {
    slept const s(fanout::polly_v2{.base = 100ms, .cap = 1h}, 0);
    CHECK(s.mean() == about(100e6 / 1.4 * integral(polly_growth, 0, 1)));
    CHECK(s.median() == about(100e6 / 1.4 * polly_growth(0.5)));
    CHECK(s.least() >= 0ns);
    CHECK(static_cast<double>(s.most().count()) <= 100e6 / 1.4 * polly_growth(1));
    CHECK(static_cast<double>(s.most().count()) > 0.99 * 100e6 / 1.4 * polly_growth(1));
}

TEST_CASE("polly_v2: a later sleep is the difference to the retry before") {
    fanout::polly_v2 const p{.base = 100ms, .cap = 1h};
    for (std::uint32_t const retry : {1U, 2U, 4U, 7U}) {
        CAPTURE(retry);
        auto const k = static_cast<double>(retry);
        slept const s(p, retry);
        CHECK(s.mean() ==
              about(100e6 / 1.4 * (integral(polly_growth, k, k + 1) - integral(polly_growth, k - 1, k))));
        CHECK(s.least() >= 0ns);
        CHECK(static_cast<double>(s.most().count()) <=
              100e6 / 1.4 * (polly_growth(k + 1) - polly_growth(k - 1)));
    }
    std::array<double, 5> const medians{0.9, 1.1, 2, 4, 8}; // as documented
    for (std::uint32_t retry = 0; retry < medians.size(); ++retry) {
        CHECK(slept(p, retry).median() == about(medians[retry] * 100e6, 0.04));
    }
}

TEST_CASE("polly_v2: the sleeps of an input add up to f(t) / 1.4 of its last retry") {
    fanout::polly_v2 const p{.base = 100ms, .cap = 24h};
    std::mt19937_64 seeded(42);
    fanout::polly_v2::state state;
    nanoseconds sum{0};
    for (std::uint32_t retry = 0; retry < 10; ++retry) {
        sum += p.delay(retry, seeded, state);
        CHECK(static_cast<double>(sum.count()) >= 100e6 / 1.4 * polly_growth(retry) - 10);
        CHECK(static_cast<double>(sum.count()) <= 100e6 / 1.4 * polly_growth(retry + 1));
    }
}

TEST_CASE("polly_v2: what is above the cap is the cap, and how often is as the formula says") {
    slept const first(fanout::polly_v2{.base = 100ms, .cap = 100ms}, 0);
    CHECK(first.most() == 100ms);
    // f(u) < 1.4 where u is less than the root, found by halving.
    double low = 0;
    double high = 1;
    for (int i = 0; i < 60; ++i) {
        auto const middle = (low + high) / 2;
        (polly_growth(middle) < 1.4 ? low : high) = middle;
    }
    CHECK(first.fraction(99999999ns) == about(low));
    slept const late(fanout::polly_v2{.base = 100ms, .cap = 100ms}, 20);
    CHECK(late.fraction(99999999ns) < 0.001);
    CHECK(late.most() == 100ms);
}

namespace {

template <class Backoff, class Generator>
void never_leaves_its_bounds(Backoff const& b, nanoseconds cap) {
    Generator generator{};
    auto const check = [&](std::uint32_t retry, auto& state) {
        auto const d = fanout::detail::next_delay(b, retry, generator, state);
        if (d < 0ns || d > cap) {
            CAPTURE(retry);
            CHECK(d >= 0ns);
            CHECK(d <= cap);
        }
    };
    fanout::detail::backoff_state_t<Backoff> steady;
    for (std::uint32_t retry = 0; retry < 2000; ++retry) {
        check(retry, steady);
    }
    // Also where retries are left out, and where they come in no order.
    fanout::detail::backoff_state_t<Backoff> jumping;
    for (std::uint32_t const retry : {0U, 31U, 62U, 63U, 64U, 511U, 3U, 512U, 1023U, 1024U, 0x7fffffffU,
                                      0x80000000U, 0xffffffffU, 0U, 0xffffffffU}) {
        check(retry, jumping);
    }
}

template <class Generator>
void no_backoff_leaves_its_bounds() {
    for (auto const base : {0ns, 1ns, 3ns, nanoseconds(1s), nanoseconds::max() / 2, nanoseconds::max() - 1ns,
                            nanoseconds::max()}) {
        never_leaves_its_bounds<fanout::constant, Generator>({base}, base);
        for (auto const cap : {0ns, 1ns, nanoseconds(20s), nanoseconds((std::int64_t{1} << 53) + 1),
                               nanoseconds::max() - 1ns, nanoseconds::max()}) {
            for (auto const j : {fanout::jitter::none, fanout::jitter::equal, fanout::jitter::full}) {
                never_leaves_its_bounds<fanout::exponential, Generator>({base, cap, j}, cap);
            }
            never_leaves_its_bounds<fanout::decorrelated, Generator>({base, cap}, cap);
            never_leaves_its_bounds<fanout::polly_v2, Generator>({base, cap}, cap);
        }
    }
}

} // namespace

TEST_CASE("no backoff is ever negative or above its cap, whatever the retry, the options and the generator") {
    no_backoff_leaves_its_bounds<std::minstd_rand>();
    no_backoff_leaves_its_bounds<std::mt19937_64>();
    no_backoff_leaves_its_bounds<stuck<false>>();
    no_backoff_leaves_its_bounds<stuck<true>>();
}

TEST_CASE("a late retry sleeps the cap") {
    std::mt19937_64 seeded(42);
    fanout::polly_v2::state p;
    for (std::uint32_t retry = 0; retry < 3000; ++retry) {
        auto const d = fanout::polly_v2{.base = 1s, .cap = 1h}.delay(retry, seeded, p);
        if (retry > 100 && d != 1h) {
            FAIL("retry " << retry << " sleeps " << d.count());
        }
    }
    CHECK(fanout::polly_v2{.base = 0s, .cap = 1h}.delay(0xffffffffU, seeded, p) == 0s);
    CHECK(fanout::exponential{.base = 1ns, .cap = nanoseconds::max(), .jitter = fanout::jitter::none}.delay(
              0xffffffffU, seeded) == nanoseconds::max());
}

TEST_CASE("a backoff that remembers does so for each input apart") {
    fanout::decorrelated const d{.base = 1s, .cap = 1h};
    stuck<true> greatest; // nearly 3 times the one before
    fanout::decorrelated::state a;
    fanout::decorrelated::state b;
    CHECK(std::chrono::round<std::chrono::seconds>(fanout::detail::next_delay(d, 0, greatest, a)) == 3s);
    CHECK(std::chrono::round<std::chrono::seconds>(fanout::detail::next_delay(d, 1, greatest, a)) == 9s);
    CHECK(std::chrono::round<std::chrono::seconds>(fanout::detail::next_delay(d, 0, greatest, b)) == 3s);
}

TEST_CASE("options without sense are refused in a sentence") {
    CHECK_NOTHROW(fanout::none{}.check());
    CHECK_NOTHROW(fanout::constant{.interval = 0s}.check());
    CHECK_NOTHROW(fanout::exponential{}.check());
    CHECK_NOTHROW(fanout::exponential{.base = 1h, .cap = 0s}.check());
    CHECK_NOTHROW(fanout::decorrelated{}.check());
    CHECK_NOTHROW(fanout::decorrelated{.base = 0s, .cap = 0s}.check());
    CHECK_NOTHROW(fanout::polly_v2{}.check());
    CHECK_THROWS_WITH_AS(fanout::constant{.interval = -1ns}.check(),
                         "fanout::constant: interval must be at least 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS(fanout::exponential{.base = -1ns}.check(),
                         "fanout::exponential: base must be at least 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS(fanout::exponential{.cap = -1ns}.check(),
                         "fanout::exponential: cap must be at least 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS(fanout::decorrelated{.base = -1ns}.check(),
                         "fanout::decorrelated: base must be at least 0", std::invalid_argument);
    CHECK_THROWS_WITH_AS((fanout::decorrelated{.base = 2s, .cap = 1s}.check()),
                         "fanout::decorrelated: cap must be at least base, or each sleep were the cap",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(fanout::polly_v2{.base = -1ns}.check(), "fanout::polly_v2: base must be at least 0",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS((fanout::polly_v2{.cap = 999ms}.check()),
                         "fanout::polly_v2: cap must be at least base, the first sleep's median",
                         std::invalid_argument);
}

// Written inside a co_await expression, so they are aggregates, and trivially destructible (GCC 12).
template <class B>
constexpr bool is_option = std::is_aggregate_v<B> && std::is_trivially_destructible_v<B> &&
                           fanout::backoff<B> && fanout::backoff<B, std::mt19937_64>;
static_assert(is_option<fanout::none> && is_option<fanout::constant> && is_option<fanout::exponential> &&
              is_option<fanout::decorrelated> && is_option<fanout::polly_v2>);

namespace {

struct hours_of_the_users_own {
    std::chrono::hours delay(std::uint32_t retry, auto&) const { return std::chrono::hours(retry); }
};
static_assert(fanout::backoff<hours_of_the_users_own>);

struct says_a_number {
    int delay(std::uint32_t, auto&) const { return 1; }
};
static_assert(!fanout::backoff<says_a_number>);

struct owns {
    std::string name;
    nanoseconds delay(std::uint32_t, auto&) const { return 1ns; }
};
static_assert(!fanout::backoff<owns>);

struct remembers {
    struct state {
        int retries = 0;
    };
    nanoseconds delay(std::uint32_t, auto&, state& s) const { return nanoseconds(++s.retries); }
};
static_assert(fanout::backoff<remembers>);

struct remembers_from_somewhere {
    struct state {
        explicit state(int) {}
    };
    nanoseconds delay(std::uint32_t, auto&, state&) const { return 1ns; }
};
static_assert(!fanout::backoff<remembers_from_somewhere>);

} // namespace
