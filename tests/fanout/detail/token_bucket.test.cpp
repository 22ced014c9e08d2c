// SPDX-License-Identifier: BSL-1.0

#include <fanout/detail/token_bucket.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

template <class Duration>
struct clock_of {
    using time_point = std::chrono::time_point<clock_of, Duration>;
};
using moment = clock_of<nanoseconds>::time_point;
using bucket = fanout::detail::token_bucket<moment>;

moment at(nanoseconds d) { return moment(d); }

/// Takes as many as there are at a time.
template <class Bucket, class TimePoint>
int drain(Bucket& b, TimePoint now, int most = 1'000'000) {
    int n = 0;
    while (n < most && b.try_take(now)) {
        ++n;
    }
    return n;
}

/// Waits for the next token, takes it, and says when that was.
template <class Bucket, class TimePoint>
TimePoint take_next(Bucket& b, TimePoint now) {
    auto const due = b.next(now);
    REQUIRE(b.try_take(due));
    return due;
}

} // namespace

TEST_CASE("a rate that is not above 0 and finite, and a burst below 1, are refused by name") {
    auto const inf = std::numeric_limits<double>::infinity();
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    for (auto const r : {0.0, -0.0, -1.0, inf, -inf, nan}) {
        CHECK_THROWS_WITH_AS(bucket(r, 1, at(0ns)), doctest::Contains("per_second"), std::invalid_argument);
    }
    for (auto const b : {0.0, 0.999, -1.0, inf, nan}) {
        CHECK_THROWS_WITH_AS(bucket(1, b, at(0ns)), doctest::Contains("burst"), std::invalid_argument);
    }
    CHECK_NOTHROW(bucket(1e-300, 1, at(0ns)));
    CHECK_NOTHROW(bucket(1e300, 1e300, at(0ns)));
}

TEST_CASE("it starts full, and is empty after so many takes") {
    for (auto const per_second : {3.0, 7.0, 0.1, 1000.0, 1e6 / 3}) {
        for (auto const burst : {1, 2, 3, 10, 500, 4999}) {
            bucket b(per_second, burst, at(5s));
            CAPTURE(per_second);
            CAPTURE(burst);
            CHECK(drain(b, at(5s)) == burst);
            CHECK(b.next(at(5s)) > at(5s));
        }
    }
}

TEST_CASE("after a pause it holds the burst and no more") {
    bucket b(10, 4, at(0s));
    CHECK(drain(b, at(0s)) == 4);
    CHECK(drain(b, at(199999999ns)) == 1);
    CHECK(drain(b, at(200ms)) == 1);
    CHECK(drain(b, at(500ms)) == 3);
    CHECK(drain(b, at(1h)) == 4);
    CHECK(drain(b, at(1h + 99ms)) == 0);
    CHECK(drain(b, at(1h + 100ms)) == 1);
}

TEST_CASE("no drift: each of 100,000 tokens of a third of a second comes at its own nanosecond") {
    for (auto const burst : {1, 2, 50}) {
        bucket b(3, burst, at(0ns));
        auto now = at(0ns);
        CHECK(drain(b, now) == burst);
        for (std::int64_t i = 1; i <= 100'000; ++i) {
            now = take_next(b, now);
            // The first whole nanosecond that is not before i thirds of a second.
            REQUIRE(now.time_since_epoch().count() == (i * 1'000'000'000 + 2) / 3);
        }
    }
}

TEST_CASE("no drift on a coarse clock either") {
    using coarse = clock_of<std::chrono::milliseconds>::time_point;
    fanout::detail::token_bucket<coarse> b(300, 1, coarse(0ms));
    auto now = coarse(0ms);
    CHECK(drain(b, now) == 1);
    for (std::int64_t i = 1; i <= 3000; ++i) {
        now = take_next(b, now);
        REQUIRE(now.time_since_epoch().count() == (i * 1000 + 299) / 300);
    }
}

TEST_CASE("a coarse clock does not make the burst larger") {
    using coarse = clock_of<std::chrono::seconds>::time_point;
    fanout::detail::token_bucket<coarse> b(10, 3, coarse(0s));
    CHECK(drain(b, coarse(0s)) == 3);
    for (int s = 1; s < 20; ++s) {
        CHECK(drain(b, coarse(std::chrono::seconds(s))) <= 4);
    }
    CHECK(drain(b, coarse(100s)) == 3);
}

TEST_CASE("it counts right after years without a pause, and after years of one") {
    auto const years = std::chrono::hours(24 * 365 * 50);
    SUBCASE("without") { // so large that it is never full again
        bucket b(1e6 / 3, 1e15, at(0s));
        CHECK(drain(b, at(0s), 1000) == 1000);
        CHECK(drain(b, at(years), 1000) == 1000);
        CHECK(b.next(at(years)) == at(years));
    }
    SUBCASE("of one") {
        bucket b(1e6 / 3, 1000, at(0s));
        CHECK(drain(b, at(0s)) == 1000);
        auto const now = at(years);
        CHECK(drain(b, now) == 1000);
        auto last = now;
        for (int i = 1; i <= 100'000; ++i) {
            last = take_next(b, last);
        }
        CHECK(last - now == 300ms);
    }
}

TEST_CASE("a token that is given back is there at once") {
    bucket b(1, 2, at(0s));
    CHECK(drain(b, at(0s)) == 2);
    b.give_back();
    CHECK(b.next(at(0s)) == at(0s));
    CHECK(drain(b, at(0s)) == 1);
    CHECK(b.next(at(0s)) == at(1s)); // as if it had not been taken twice
    b.give_back();
    b.give_back();
    CHECK(drain(b, at(0s)) == 2);
}

TEST_CASE("tokens that are given back late do not make the burst larger") {
    bucket b(1, 2, at(0s));
    CHECK(drain(b, at(0s)) == 2);
    b.give_back();
    b.give_back();
    CHECK(drain(b, at(100s)) == 2);
    CHECK(drain(b, at(200s)) == 2);
    b.give_back(); // of those of 100 s ago: full by itself meanwhile
    CHECK(drain(b, at(300s)) == 2);
    CHECK(drain(b, at(300s)) == 0);
}

TEST_CASE("a burst that is no whole number rounds down, and its rest is not lost") {
    bucket b(1, 2.5, at(0s));
    CHECK(drain(b, at(0s)) == 2);
    CHECK(b.next(at(0s)) == at(500ms));
    CHECK(drain(b, at(500ms)) == 1);
    CHECK(drain(b, at(1499ms)) == 0);
    CHECK(drain(b, at(1500ms)) == 1);
}

TEST_CASE("a rate above what the clock can tell apart") {
    bucket b(1e12, 1000, at(0s));
    CHECK(drain(b, at(0s)) == 1000);
    CHECK(b.next(at(0s)) == at(1ns));
    CHECK(drain(b, at(1ns)) == 1000);
    CHECK(drain(b, at(1h)) == 1000);
}

TEST_CASE("a rate of once in a million years: the burst is there, and then the time does not overflow") {
    for (auto const per_second : {1e-14, 1e-300, std::numeric_limits<double>::denorm_min()}) {
        CAPTURE(per_second);
        for (auto const start : {at(0s), at(std::chrono::hours(24 * 365 * 60))}) {
            bucket b(per_second, 10, start);
            CHECK(drain(b, start) == 10);
            auto const due = b.next(start);
            CHECK(due - start >= std::chrono::hours(24 * 365 * 50));
            CHECK(drain(b, start + 1h) == 0);
            CHECK(b.next(start + 1h) > start + 1h);
            b.give_back();
            CHECK(drain(b, start + 1h) == 1);
        }
    }
}

TEST_CASE("a clock that was set back makes nobody run ahead") {
    bucket b(1, 1, at(100s));
    CHECK(drain(b, at(100s)) == 1);
    CHECK(drain(b, at(50s)) == 0);
    CHECK(drain(b, at(100500ms)) == 0);
    CHECK(drain(b, at(101s)) == 1);
}
