// SPDX-License-Identifier: BSL-1.0

// What `stats` knows of durations, and what it says in words. Backends run in virtual time: see `drive`.

#include <fanout/error.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/options.hpp>
#include <fanout/testing/simulation.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"
#include "../../support/rtti.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <locale>
#include <memory>
#include <random>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

fanout::settled_event settled(nanoseconds at, nanoseconds elapsed, std::size_t in_flight,
                              fanout::state what = fanout::state::fulfilled) {
    fanout::settled_event e{};
    e.attempt = 1;
    e.in_flight = in_flight;
    e.what = what;
    e.elapsed = elapsed;
    e.at = at;
    return e;
}

fanout::started_event started(nanoseconds at, std::size_t in_flight, nanoseconds waited = 0ns,
                              std::uint32_t attempt = 1) {
    return {0, attempt, in_flight, at, 0, waited};
}

// ---- quantiles

/// Adds each as the latency of a child.
void add(fanout::stats& st, std::vector<nanoseconds> const& latencies) {
    for (auto const l : latencies) {
        st.on_started(started(0ns, 1));
        st.on_settled(settled(l, l, 0));
    }
}

nanoseconds exact_quantile(std::vector<nanoseconds> const& sorted, double q) {
    auto const rank = std::ceil(q * static_cast<double>(sorted.size()));
    return sorted[static_cast<std::size_t>((std::max)(rank, 1.0)) - 1];
}

void check_quantiles(char const* name, std::function<double(std::mt19937_64&)> const& draw) {
    CAPTURE(name);
    std::mt19937_64 generator(7);
    std::vector<nanoseconds> all(100'000);
    std::generate(all.begin(), all.end(),
                  [&] { return nanoseconds(static_cast<nanoseconds::rep>(draw(generator))); });
    fanout::stats st;
    add(st, all);
    std::sort(all.begin(), all.end());
    CHECK(st.fastest() == all.front());
    CHECK(st.slowest() == all.back());
    auto last = st.quantile(0);
    for (double const q :
         {0.0, 1e-6, 1e-5, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.99999, 1.0}) {
        CAPTURE(q);
        auto const exact = exact_quantile(all, q);
        CAPTURE(exact.count());
        auto const found = st.quantile(q);
        CHECK(std::abs((found - exact).count()) * 128 <= exact.count());
        CHECK(found >= last);
        last = found;
    }
}

TEST_CASE("a quantile is at most 1/128 from the exact one") {
    using generator = std::mt19937_64;
    check_quantiles("constant", [](generator&) { return 5'123'457.0; });
    check_quantiles("0 ns", [](generator&) { return 0.0; });
    check_quantiles("1 ns", [](generator&) { return 1.0; });
    check_quantiles("uniform, below 300 ns",
                    [](generator& g) { return std::uniform_real_distribution<>(0, 300)(g); });
    check_quantiles("uniform", [](generator& g) { return std::uniform_real_distribution<>(1e6, 9e6)(g); });
    check_quantiles("log-normal",
                    [](generator& g) { return std::lognormal_distribution<>(std::log(5e6), 1)(g); });
    check_quantiles("bimodal", [](generator& g) {
        return std::bernoulli_distribution(0.9)(g) ? std::uniform_real_distribution<>(1e5, 1.1e5)(g)
                                                   : std::uniform_real_distribution<>(2e9, 2.1e9)(g);
    });
    check_quantiles("hours",
                    [](generator& g) { return std::uniform_real_distribution<>(3.6e12, 3.6e13)(g); });
    check_quantiles("from 1 ns to 6 days, each order of magnitude alike", [](generator& g) {
        return std::exp(std::uniform_real_distribution<>(0, std::log(5e14))(g));
    });
}

TEST_CASE("a quantile is exact below 128 ns") {
    for (nanoseconds::rep v = 0; v < 128; ++v) {
        fanout::stats st;
        add(st, {0ns, nanoseconds(v), 1h});
        REQUIRE(st.quantile(0.5).count() == v);
    }
}

TEST_CASE("a quantile at the edge of a bucket is within the bound") {
    for (int power = 7; power < 49; ++power) {
        for (nanoseconds::rep const off : {-1, 0, 1}) {
            fanout::stats st;
            auto const v = (nanoseconds::rep{1} << power) + off;
            add(st, {0ns, nanoseconds(v), 100h * 24});
            CAPTURE(v);
            CHECK(std::abs(st.quantile(0.5).count() - v) * 128 <= v);
        }
    }
}

TEST_CASE("what lies beyond the buckets counts as the slowest; a clock that was set back as 0") {
    fanout::stats st;
    add(st, {1ms, 24h * 7, 24h * 30, 24h * 365 * 200});
    CHECK(st.quantile(0.25) == 1ms);
    CHECK(st.quantile(0.5) == 24h * 365 * 200);
    CHECK(st.slowest() == 24h * 365 * 200);
    fanout::stats back;
    add(back, {-5ms, 2ms, 2ms});
    CHECK(back.fastest() == 0ns);
    CHECK(back.quantile(0.5) == st.quantile(0.1) * 2);
}

TEST_CASE("no quantile where nothing settled, and none that is no share") {
    fanout::stats st;
    CHECK(st.quantile(0.5) == 0ns);
    CHECK(st.fastest() == 0ns);
    CHECK(st.slowest() == 0ns);
    CHECK(st.mean_waited() == 0ns);
    for (double const q : {-0.01, 1.01, 99.0, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THROWS_AS((void)st.quantile(q), std::invalid_argument);
    }
}

TEST_CASE("rejected attempts and those that run again count in the quantiles") {
    fanout::stats st;
    auto again = settled(1ms, 1ms, 0, fanout::state::rejected);
    again.retried = true;
    st.on_started(started(0ns, 1));
    st.on_settled(again);
    st.on_started(started(2ms, 1, 0ns, 2));
    st.on_settled(settled(4ms, 2ms, 0, fanout::state::timed_out));
    CHECK(st.fastest() == 1ms);
    CHECK(st.quantile(0.5) == 1ms);
    CHECK(st.slowest() == 2ms);
}

TEST_CASE("several calls, one after another, add up; a copy is its own") {
    std::mt19937_64 generator(3);
    auto const draws = [&] {
        std::vector<nanoseconds> out(1'000);
        for (auto& d : out) {
            d = nanoseconds(std::uniform_int_distribution<nanoseconds::rep>(1, 1'000'000'000)(generator));
        }
        return out;
    };
    auto const first = draws();
    auto const second = draws();
    auto both = first;
    both.insert(both.end(), second.begin(), second.end());

    fanout::stats whole;
    add(whole, both);
    fanout::stats parts;
    add(parts, first);
    parts.on_finished({1, 0, 3s});
    auto const copy = parts;
    add(parts, second);
    parts.on_finished({0, 0, 4s});
    for (double const q : {0.0, 0.1, 0.5, 0.99, 1.0}) {
        CHECK(parts.quantile(q) == whole.quantile(q));
    }
    CHECK(parts.wall_time() == 7s);
    CHECK(parts.not_started() == 1);
    CHECK(parts.started() == 2'000);
    CHECK(copy.started() == 1'000);
    CHECK(copy.slowest() == *std::max_element(first.begin(), first.end()));
}

TEST_CASE("the time waited for permits is that of first attempts and of retries") {
    fanout::stats st;
    st.on_started(started(0ns, 1, 0ns));
    st.on_started(started(30ms, 1, 30ms));
    st.on_started(started(70ms, 1, 15ms, 2));
    CHECK(st.waited() == 45ms);
    CHECK(st.mean_waited() == 15ms);
}

// ---- the text

/// Runs n calls, at most `limit` at once, as a fan-out would; `call(done)` starts one.
template <class Call>
void drive(fanout::testing::simulation& time, fanout::stats& st, std::size_t n, std::size_t limit,
           Call call) {
    auto const begin = time.now();
    std::size_t next = 0;
    std::size_t in_flight = 0;
    std::function<void()> fill = [&] {
        while (next < n && in_flight < limit) {
            auto const start = time.now();
            fanout::started_event e{};
            e.index = next++;
            e.attempt = 1;
            e.in_flight = ++in_flight;
            e.at = e.waited = start - begin;
            st.on_started(e);
            call([&, start, index = e.index] {
                auto ended = settled(time.now() - begin, time.now() - start, --in_flight);
                ended.index = index;
                st.on_settled(ended);
                fill();
            });
        }
    };
    st.on_limit({limit, 0ns});
    fill();
    while (time.step()) {
    }
    st.on_finished({0, 0, time.now() - begin});
}

/// What is said of n calls, at most `limit` at once, that take as long as `draw()` says.
template <class Draw>
std::string text_of_calls(std::size_t n, std::size_t limit, Draw draw) {
    fanout::testing::simulation time;
    fanout::stats st;
    drive(time, st, n, limit, [&](auto done) { time.schedule(draw(), std::move(done)); });
    return st.text();
}

/// Likewise, of calls to a backend.
std::string text_of_backend(std::size_t n, std::size_t limit, fanout::testing::backend::options o) {
    fanout::testing::simulation time;
    o.when_full = fanout::testing::backend::overload::queues;
    fanout::testing::backend server(time, o);
    fanout::stats st;
    drive(time, st, n, limit,
          [&](auto done) { server.call([done = std::move(done)](bool) mutable { done(); }); });
    return st.text();
}

bool says(std::string const& text, char const* what) { return text.find(what) != std::string::npos; }

/// Whether it says anything of running one after another.
bool warns(std::string const& text) {
    return says(text, "one after another") || says(text, "ran alone") || says(text, "Usually");
}

TEST_CASE("the text of a run with rejections, retries and timeouts has numbers that add up") {
    fanout::stats st;
    auto at = 0ns;
    auto const one = [&](fanout::state what, nanoseconds took, bool again = false,
                         std::uint32_t attempt = 1) {
        st.on_started(started(at, 2, 20ms, attempt));
        auto e = settled(at + took, took, 1, what);
        e.retried = again;
        st.on_settled(e);
        at += took / 2;
    };
    for (int i = 0; i < 1'200; ++i) {
        one(fanout::state::fulfilled, 5100us);
    }
    for (int i = 0; i < 30; ++i) {
        one(fanout::state::rejected, 9800us, true);
        one(fanout::state::fulfilled, 9800us, false, 2);
    }
    for (int i = 0; i < 4; ++i) {
        one(fanout::state::timed_out, 11'960us);
    }
    one(fanout::state::rejected, 200us);
    one(fanout::state::cancelled, 200us);
    st.on_finished({7, 0, 5420ms});
    CHECK(st.text() == "1,243 children: 1,230 fulfilled, 6 rejected (4 timed out, 1 cancelled), 7 not "
                       "started. 1,266 attempts "
                       "(30 retries) in 5.4 s, at most 2 in flight, 1.2 side by side on average. An attempt "
                       "took 5.1 ms (median), "
                       "9.8 ms (99 %), 12 ms at most; before, it waited 20 ms for its turn on average.");
    CHECK(st.fulfilled() + st.rejected() + st.not_started() == 1'243);
    CHECK(st.started() == 1'266);
}

TEST_CASE("the text is a member function as any other") {
    std::string (fanout::stats::* const text)() const = &fanout::stats::text;
    fanout::stats const st;
    CHECK((st.*text)() == "No children.");
    CHECK(std::invoke(&fanout::stats::text, st) == "No children.");
}

TEST_CASE("the text leaves out what is nought or plain") {
    SUBCASE("nothing ran") {
        fanout::stats st;
        CHECK(st.text() == "No children.");
        st.on_finished({0, 0, 0ns});
        CHECK(st.text() == "No children.");
    }
    SUBCASE("none started") {
        fanout::stats st;
        st.on_finished({10, 0, 3ms});
        CHECK(st.text() == "10 children: none started.");
    }
    SUBCASE("one child") {
        fanout::stats st;
        st.on_started(started(0ns, 1));
        st.on_settled(settled(5ms, 5ms, 0));
        st.on_finished({0, 0, 5ms});
        CHECK(st.text() == "1 child: fulfilled. It took 5 ms.");
    }
    SUBCASE("one child that is retried") {
        fanout::stats st;
        auto again = settled(5ms, 5ms, 0, fanout::state::rejected);
        again.retried = true;
        st.on_started(started(0ns, 1));
        st.on_settled(again);
        st.on_started(started(95ms, 1, 0ns, 2));
        st.on_settled(settled(100ms, 5ms, 0, fanout::state::rejected));
        st.on_finished({0, 0, 100ms});
        CHECK(st.text() ==
              "1 child: rejected. 2 attempts (1 retry) in 100 ms, one at a time, none for 90 % of the "
              "time. Each took 5 ms.");
    }
    SUBCASE("waiting that takes little of the time") {
        CHECK(says(text_of_calls(10, 8, [] { return 5ms; }),
                   "; before, it waited 1 ms for its turn on average."));
        CHECK(says(text_of_calls(1'000, 999, [] { return 5ms; }), "Each took 5 ms."));
    }
    SUBCASE("99 % of fewer than a hundred") {
        for (std::size_t const n : {99U, 100U}) {
            int calls = 0;
            auto const text = text_of_calls(n, n, [&] { return ++calls * 1ms; });
            CHECK(says(text, "(99 %)") == (n == 100));
        }
    }
    SUBCASE("no time passed") {
        CHECK(text_of_calls(3, 3, [] { return 0ns; }) == "3 children: all fulfilled.");
    }
    SUBCASE("one that has not ended") {
        fanout::stats st;
        st.on_started(started(0ns, 1));
        st.on_started(started(0ns, 2));
        st.on_settled(settled(5ms, 5ms, 1));
        CHECK(st.text() == "2 children: 1 fulfilled, 1 not ended.");
    }
}

TEST_CASE("durations and figures are rounded to what people read") {
    auto const duration = [](nanoseconds d) { return fanout::detail::duration_text(d); };
    CHECK(duration(-1ns) == "0 ns");
    CHECK(duration(0ns) == "0 ns");
    CHECK(duration(999ns) == "999 ns");
    CHECK(duration(1us) == "1 \xC2\xB5s");
    CHECK(duration(1049ns) == "1 \xC2\xB5s");
    CHECK(duration(1050ns) == "1.1 \xC2\xB5s");
    CHECK(duration(9949ns) == "9.9 \xC2\xB5s");
    CHECK(duration(9950ns) == "10 \xC2\xB5s");
    CHECK(duration(999'499ns) == "999 \xC2\xB5s");
    CHECK(duration(999'500ns) == "1 ms");
    CHECK(duration(5'140'000ns) == "5.1 ms");
    CHECK(duration(1s) == "1 s");
    CHECK(duration(119'499ms) == "119 s");
    CHECK(duration(119'500ms) == "2 min");
    CHECK(duration(125s) == "2 min 5 s");
    CHECK(duration(3599s) == "59 min 59 s");
    CHECK(duration(3'599'500ms) == "1 h");
    CHECK(duration(83min) == "1 h 23 min");
    CHECK(duration(24h - 30s) == "1 d");
    CHECK(duration(76h) == "3 d 4 h");
    CHECK(duration((nanoseconds::max)()) == "106752 d");
    CHECK(fanout::detail::count_text(999) == "999");
    CHECK(fanout::detail::count_text(1'000) == "1,000");
    CHECK(fanout::detail::count_text(1'234'567) == "1,234,567");
    CHECK(fanout::detail::parallelism_text(0) == "0.00");
    CHECK(fanout::detail::parallelism_text(0.054) == "0.05");
    CHECK(fanout::detail::parallelism_text(0.996) == "1.0");
    CHECK(fanout::detail::parallelism_text(61.26) == "61.3");
    CHECK(fanout::detail::parallelism_text(1'012.04) == "1,012.0");
}

TEST_CASE("the text does not depend on any locale" * doctest::skip(!test::has_rtti)) {
    struct german final : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\3"; }
    };
    auto const run = [] { return text_of_calls(2'000, 64, [] { return 5100us; }); };
    auto const plain = run();
    auto const global = std::locale::global(std::locale(std::locale::classic(), new german));
    auto const text = run();
    fanout::stats st;
    add(st, std::vector<nanoseconds>(1'500, 1ms));
    std::ostringstream out;
    out << st;
    std::locale::global(global);
    CHECK(text == plain);
    CHECK(text == "2,000 children: all fulfilled. They took 163 ms, at most 64 in flight, 62.5 side by side "
                  "on average. "
                  "Each took 5.1 ms; before, it waited 77 ms for its turn on average.");
    CHECK(out.str() == "1,500 children: all fulfilled. Each took 1 ms.");
    CHECK(out.str() == st.text());
}

// ---- one after another

TEST_CASE("a limit of 1 is told plainly") {
    CHECK(text_of_calls(10, 1, [] { return 5ms; }) ==
          "10 children: all fulfilled. They took 50 ms, one after another. Each took 5 ms; before, it waited "
          "23 ms for "
          "its turn on average. The limit was 1, as with limit(1), a lock, or a pool of one connection (all "
          "statements "
          "of a transaction go through one).");
}

TEST_CASE("one at a time without a known limit names what usually causes that") {
    auto const call = [](fanout::stats& of, int children) {
        for (int i = 0; i < children; ++i) {
            of.on_started(started(i * 5ms, 1));
            of.on_settled(settled((i + 1) * 5ms, 5ms, 0));
        }
        of.on_finished({0, 0, children * 5ms});
    };
    fanout::stats st;
    call(st, 10);
    CHECK(st.text() ==
          "10 children: all fulfilled. They took 50 ms, one after another. Each took 5 ms. Usually that is "
          "due to one connection (all statements of a transaction go through one), a lock, a limit of 1, or "
          "children that block the thread instead of waiting.");
    SUBCASE("and so does a limit that was known in one call, and not in the other") {
        fanout::stats two;
        two.on_limit({1, 0ns});
        call(two, 2);
        call(two, 2);
        CHECK(says(two.text(), "Usually that is due to one connection"));
    }
}

TEST_CASE("mostly one at a time: the text tells a slow child from a lock") {
    SUBCASE("a slow one") {
        int calls = 0;
        auto const text =
            text_of_calls(100, 64, [&] { return ++calls == 50 ? nanoseconds(10s) : nanoseconds(5ms); });
        CHECK(
            text ==
            "100 children: all fulfilled. They took 10 s, at most 64 in flight, 1.0 side by side on average. "
            "A child took 5 ms (median), 5 ms (99 %), 10 s at most. Most of the time one ran alone: the "
            "slowest took 10 s.");
    }
    SUBCASE("a key that most share") {
        fanout::stats st;
        auto at = 0ns;
        for (int i = 0; i < 50; ++i) { // of another key, beside the first of these
            st.on_started(started(at, 1));
            if (i == 0) {
                st.on_started(started(at, 2));
                st.on_settled(settled(at + 3ms, 3ms, 1));
            }
            at += 5ms;
            st.on_settled(settled(at, 5ms, 0));
        }
        st.on_finished({0, 0, at});
        CHECK(
            says(st.text(),
                 "Most of the time one ran alone. Usually that is due to one connection (all statements of a "
                 "transaction go through one), a key or a lock that they share, or to a rate or a source "
                 "that lets them start one by one."));
    }
    SUBCASE("not of a handful of children") {
        int calls = 0;
        CHECK_FALSE(
            warns(text_of_calls(7, 7, [&] { return ++calls == 1 ? nanoseconds(10s) : nanoseconds(5ms); })));
    }
}

TEST_CASE("children that wait for each other inside one connection are seen through") {
    SUBCASE("in a window") {
        CHECK(text_of_backend(1'000, 64, {.slots = 1, .service = 5ms, .network = 100us}) ==
              "1,000 children: all fulfilled. They took 5 s, at most 64 in flight, 62.0 side by side on "
              "average. A child "
              "took 320 ms (median), 320 ms at most; before, it waited 2.2 s for its turn on average. It "
              "looks as if "
              "they ran one after another all the same: they ended 5 ms apart (median), and the first, with "
              "none before "
              "it, took 5.1 ms. Usually they wait for each other inside something that they share: one "
              "connection (all "
              "statements of a transaction go through one), or a lock.");
    }
    SUBCASE("in a window or all at once, though times vary; with two in flight they may vary less") {
        struct shape {
            std::size_t n, limit;
            double jitter;
        };
        for (std::uint32_t seed = 1; seed <= 20; ++seed) {
            CAPTURE(seed);
            for (auto const& s : {shape{200, 2, 0.1}, {10, 10, 0.3}, {200, 64, 0.3}}) {
                auto const text = text_of_backend(
                    s.n, s.limit,
                    {.slots = 1, .service = 300us, .network = 30us, .jitter = s.jitter, .seed = seed});
                CHECK_MESSAGE(says(text, "It looks as if"), text);
            }
        }
    }
}

TEST_CASE("nothing is made of seven children") {
    auto const text = [](std::size_t n) {
        return text_of_backend(n, n, {.slots = 1, .service = 5ms, .network = 100us});
    };
    CHECK_FALSE(warns(text(7)));
    CHECK(says(text(8), "It looks as if"));
}

TEST_CASE("several calls, one after another, are judged as one") {
    auto const calls = [](std::size_t slots, std::size_t limit) {
        fanout::stats st;
        for (int i = 0; i < 10; ++i) {
            fanout::testing::simulation time;
            fanout::testing::backend server(time, {.when_full = fanout::testing::backend::overload::queues,
                                                   .slots = slots,
                                                   .service = 5ms,
                                                   .network = 100us});
            drive(time, st, 9, limit,
                  [&](auto done) { server.call([done = std::move(done)](bool) mutable { done(); }); });
        }
        return st.text();
    };
    CHECK(says(calls(1, 9), "It looks as if they ran one after another all the same: they ended 5 ms apart"));
    CHECK(says(calls(9, 1), "They took 459 ms, one after another."));
    CHECK_FALSE(warns(calls(9, 9)));
}

TEST_CASE("calls of one child each, one after another, are blamed for nothing") {
    fanout::stats st;
    for (int i = 0; i < 20; ++i) {
        st.on_limit({4, 0ns});
        st.on_started(started(0ns, 1));
        st.on_settled(settled(5ms, 5ms, 0));
        st.on_finished({0, 0, 5ms});
    }
    CHECK(st.text() == "20 children: all fulfilled. They took 100 ms, one at a time, none for 0 % of the "
                       "time. Each took 5 ms.");
}

TEST_CASE("a healthy fan-out is told nothing of the kind") {
    SUBCASE("constant times") {
        for (std::size_t const limit : {2U, 4U, 64U}) {
            for (std::size_t const n : {8U, 10U, 64U, 1'000U}) {
                auto const text = text_of_calls(n, limit, [] { return 5ms; });
                CHECK_MESSAGE(!warns(text), text);
            }
        }
    }
    SUBCASE("a backend that serves two or four at a time is no lock") {
        for (std::uint32_t seed = 1; seed <= 20; ++seed) {
            for (std::size_t const slots : {2U, 4U}) {
                auto const text = text_of_backend(200, 16, {.slots = slots, .jitter = 0.2, .seed = seed});
                CHECK_MESSAGE(!warns(text), text);
            }
        }
    }
    SUBCASE("times that vary, up to heavy tails: by chance it may look like more, but not once in 100 runs") {
        auto const false_alarms = [](auto draw) {
            std::mt19937_64 generator(11);
            int found = 0;
            int runs = 0;
            for (std::size_t const limit : {3U, 4U, 8U, 16U, 64U}) {
                for (std::size_t const n : {8U, 30U, 300U}) {
                    for (int i = 0; i < 40; ++i) {
                        auto const ms = [&] {
                            return nanoseconds(static_cast<nanoseconds::rep>(draw(generator) * 1e6));
                        };
                        found += says(text_of_calls(n, limit, ms), "It looks as if") ? 1 : 0;
                        ++runs;
                    }
                }
            }
            return static_cast<double>(found) / runs;
        };
        CHECK(false_alarms([](auto& g) { return std::uniform_real_distribution<>(4, 6)(g); }) == 0);
        CHECK(false_alarms([](auto& g) { return std::uniform_real_distribution<>(0, 10)(g); }) < 0.01);
        CHECK(false_alarms([](auto& g) { return std::lognormal_distribution<>(1, 0.5)(g); }) < 0.01);
        CHECK(false_alarms([](auto& g) { return std::lognormal_distribution<>(1, 1.5)(g); }) < 0.01);
        CHECK(false_alarms([](auto& g) { return std::exponential_distribution<>(0.2)(g); }) < 0.01);
        // The fastest is a hit of a cache, and 1/4 of the others: with 4 in flight, n of it are the wall time.
        CHECK(false_alarms([](auto& g) {
                  return std::bernoulli_distribution(0.02)(g) ? 1.25
                                                              : std::uniform_real_distribution<>(4.8, 5.2)(g);
              }) < 0.01);
    }
    SUBCASE("started at a rate, so that they end in even steps") {
        auto const at_rate = [](nanoseconds step, auto latency) {
            fanout::testing::simulation time;
            fanout::stats st;
            std::size_t in_flight = 0;
            for (int i = 0; i < 100; ++i) {
                time.schedule(i * step, [&, i] {
                    auto const start = time.now();
                    st.on_started(started(start, ++in_flight));
                    time.schedule(latency(i), [&, start] {
                        st.on_settled(settled(time.now(), time.now() - start, --in_flight));
                    });
                });
            }
            while (time.step()) {
            }
            st.on_finished({0, 0, time.now()});
            return st.text();
        };
        for (int const parallel : {2, 3, 4, 8}) {
            auto const text = at_rate(20ms / parallel, [](int) { return 20ms; });
            CHECK_MESSAGE(!warns(text), text);
        }
        // One sign is missing in each: the first is the fastest, and alone so fast, and as fast as a step is long.
        CHECK_FALSE(warns(at_rate(5ms, [](int i) { return i == 50 ? 5ms : 20ms; })));
        CHECK_FALSE(warns(at_rate(5ms, [](int i) { return i % 40 == 0 ? 5ms : 20ms; })));
        CHECK_FALSE(warns(at_rate(5ms, [](int i) { return i == 0 ? 1ms : 20ms; })));
        CHECK_FALSE(warns(at_rate(5ms, [](int i) { return i == 0 ? 12ms : 20ms; })));
        CHECK(warns(at_rate(5ms, [](int i) { return i == 0 ? 5ms : 20ms; })));
    }
    SUBCASE("retries that sleep for most of the time") {
        fanout::stats st;
        for (std::size_t i = 0; i < 100; ++i) {
            st.on_started(started(0ns, i + 1));
        }
        for (std::size_t i = 0; i < 100; ++i) {
            auto e = settled(10ms + nanoseconds(i), 10ms, 99 - i, fanout::state::rejected);
            e.retried = i == 50;
            st.on_settled(e);
        }
        st.on_started(started(1s, 1, 0ns, 2));
        st.on_settled(settled(1010ms, 10ms, 0));
        st.on_finished({0, 0, 1010ms});
        CHECK(st.effective_parallelism() == doctest::Approx(1.0));
        CHECK_FALSE(warns(st.text()));
    }
    SUBCASE("within a millisecond") {
        CHECK_FALSE(warns(text_of_calls(100, 1, [] { return 9us; })));
    }
}

// ---- by fan-outs

using namespace test;
using timer = asio::basic_waitable_timer<manual_clock>;

asio::awaitable<void> nap(nanoseconds d) {
    timer t(co_await asio::this_coro::executor, d);
    co_await t.async_wait(asio::use_awaitable);
}

template <class Op>
void complete(asio::io_context& context, Op op) {
    auto const to = launch(context, std::move(op));
    fanout::testing::run(context);
    REQUIRE(to->done);
    REQUIRE(to->message().empty());
}

fanout::basic_options<manual_clock> const by_virtual_time{};

TEST_CASE("of real fan-outs: a pool of one, a connection that is shared, one key, and children that block") {
    asio::io_context context(1);
    fanout::stats st;
    fanout::semaphore connection(1);
    enum class way : std::uint8_t { healthy, shared, blocking };
    way how = way::healthy;
    auto const inputs = std::views::iota(0, 40);
    auto const query = [&](int) -> asio::awaitable<void> {
        if (how == way::blocking) {
            manual_clock::current += 5ms;
            co_return;
        }
        fanout::semaphore::permit mine;
        if (how == way::shared) {
            mine = co_await connection.async_acquire(asio::use_awaitable);
        }
        co_await nap(5ms);
    };
    auto const in_window = [&](way w) {
        how = w;
        complete(context, fanout::when_all_settled(inputs, query, fanout::limit(8), by_virtual_time, st));
        return st.text();
    };
    SUBCASE("healthy") {
        CHECK(in_window(way::healthy) == "40 children: all fulfilled. They took 25 ms, at most 8 in flight, "
                                         "8.0 side by side on average. Each took "
                                         "5 ms; before, it waited 10 ms for its turn on average.");
    }
    SUBCASE("a shared connection") {
        auto const text = in_window(way::shared);
        CHECK_MESSAGE(says(text, "7.3 side by side on average"), text);
        CHECK_MESSAGE(
            says(text, "It looks as if they ran one after another all the same: they ended 5 ms apart"),
            text);
    }
    SUBCASE("children that block") {
        auto const text = in_window(way::blocking);
        CHECK_MESSAGE(says(text, "They took 200 ms, one after another."), text);
        CHECK_MESSAGE(says(text, "The limit of 8 allowed more. Usually the children block the thread"), text);
    }
    SUBCASE("a pool of one") {
        fanout::pool<int> connections(1, []() -> asio::awaitable<int> { co_return 0; });
        auto const by_pool = [&](int, int&) { return nap(5ms); };
        complete(context, fanout::when_all_settled(inputs, by_pool, connections, by_virtual_time, st));
        auto const text = st.text();
        CHECK_MESSAGE(says(text, "They took 200 ms, one after another."), text);
        CHECK_MESSAGE(says(text, "The limit was 1, as with limit(1), a lock, or a pool of one connection"),
                      text);
    }
}

} // namespace
