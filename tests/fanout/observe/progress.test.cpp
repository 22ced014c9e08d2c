// SPDX-License-Identifier: BSL-1.0

#include <fanout/observe/progress.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace test;
using fanout::detail::progress_numbers;
using fanout::detail::progress_text;
using fanout::detail::recent_rate;
using fanout::testing::run_for;
using line = fanout::basic_progress<manual_clock>;

static_assert(fanout::observer<fanout::progress>);
static_assert(std::is_trivially_destructible_v<fanout::progress_options>); // may be written in a co_await

namespace {

constexpr std::string_view redrawn = "\r\033[K";

/// A stream, and what was written to it.
struct screen {
    /// The lines that were drawn over one another.
    std::vector<std::string> drawn() const {
        std::vector<std::string> out;
        auto const text = stream.str();
        for (auto at = text.find(redrawn); at != std::string::npos;) {
            at += redrawn.size();
            auto const next = text.find(redrawn, at);
            out.push_back(text.substr(at, next == std::string::npos ? next : next - at));
            at = next;
        }
        return out;
    }

    std::vector<std::string> lines() const {
        std::vector<std::string> out;
        std::istringstream text(stream.str());
        for (std::string l; std::getline(text, l);) {
            out.push_back(l);
        }
        return out;
    }

    fanout::progress_options options(bool terminal) {
        fanout::progress_options o;
        o.output = &stream;
        o.terminal = terminal;
        return o;
    }

    std::ostringstream stream;
};

void start(line& to, std::size_t index, std::size_t in_flight, std::uint32_t attempt = 1) {
    to.on_started({index, attempt, in_flight, 0s});
}

void settle(line& to, std::size_t index, fanout::state what = fanout::state::fulfilled,
            bool retried = false) {
    to.on_settled({index, 1, 0, what, {}, retried, 0s, 0s});
}

void settle_many(line& to, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        settle(to, i);
    }
}

/// Its `sync` and `write` fail: as a full disk, or a closed pipe.
struct broken_buffer : std::streambuf {
    int overflow(int) override {
        ++tries;
        throw std::runtime_error("broken");
    }
    int tries = 0;
};

} // namespace

// ---- the words

TEST_CASE("the line says how many are done, how fast, what is under way and what went wrong, and how long it "
          "will take") {
    progress_numbers n;
    n.done = 612;
    n.total = 1000;
    n.per_second = 118.4;
    n.in_flight = 64;
    n.retries = 12;
    n.rejected = 3;
    CHECK(progress_text(n) == "612 of 1000 (61 %), 118/s, 64 in flight, 12 retries, 3 rejected, 4 s left");
    CHECK(progress_text(n, "videos") ==
          "612 of 1000 videos (61 %), 118/s, 64 in flight, 12 retries, 3 rejected, 4 s left");
    n.retries = 1;
    n.rejected = 0;
    CHECK(progress_text(n) == "612 of 1000 (61 %), 118/s, 64 in flight, 1 retry, 4 s left");
}

TEST_CASE(
    "without a total there is no percentage and no time left; before anything is done there is no rate") {
    progress_numbers n;
    CHECK(progress_text(n) == "0 done, 0 in flight");
    n.done = 5;
    n.per_second = 2;
    CHECK(progress_text(n) == "5 done, 2.0/s, 0 in flight");
    CHECK(progress_text(n, "videos") == "5 videos, 2.0/s, 0 in flight");
    n = {};
    n.total = 7;
    CHECK(progress_text(n) == "0 of 7 (0 %), 0 in flight");
    n.total = 0;
    CHECK(progress_text(n) == "0 of 0, 0 in flight");
}

TEST_CASE("it is not 100 % before all are done") {
    progress_numbers n;
    for (std::size_t const total : {3UL, 1000UL, 1'000'000'000'000'000UL, static_cast<std::size_t>(-1)}) {
        n.total = total;
        n.done = total - 1;
        CHECK(progress_text(n).find(total == 3 ? "(66 %)" : "(99 %)") != std::string::npos);
        n.done = total;
        CHECK(progress_text(n).find("(100 %)") != std::string::npos);
    }
    n.total = 100;
    for (std::size_t done = 0; done <= 100; ++done) { // 29 of 100 is 0.28999… as a fraction
        n.done = done;
        CHECK(progress_text(n).find("(" + std::to_string(done) + " %)") != std::string::npos);
    }
}

TEST_CASE("a rate has figures that can be read, whatever it is") {
    auto const rate = [](double per_second) {
        progress_numbers n;
        n.per_second = per_second;
        auto const text = progress_text(n);
        auto const from = text.find(", ") + 2;
        return text.substr(from, text.find(", ", from) - from);
    };
    CHECK(rate(123456.7) == "123457/s");
    CHECK(rate(10) == "10/s");
    CHECK(rate(9.96) == "10/s");
    CHECK(rate(9.94) == "9.9/s");
    CHECK(rate(59.46) == "59/s");
    CHECK(rate(1) == "1.0/s");
    CHECK(rate(0.5) == "30/min");
    CHECK(rate(0.02) == "1.2/min");
    CHECK(rate(0.01) == "36/h");
    CHECK(rate(0.0001) == "0.4/h");
    CHECK(rate(1e-9) == "0/s");
    CHECK(rate(1e300).ends_with("/s"));
}

TEST_CASE("time left is told in at most two units, and not where it would be years") {
    auto const left = [](std::size_t seconds) {
        progress_numbers n;
        n.total = seconds;
        n.per_second = 1;
        auto const text = progress_text(n);
        auto const from = text.find("flight, ");
        return from == std::string::npos ? "" : text.substr(from + 8);
    };
    CHECK(left(1) == "1 s left");
    CHECK(left(59) == "59 s left");
    CHECK(left(75) == "75 s left");
    CHECK(left(125) == "2 min 5 s left");
    CHECK(left(4800) == "1 h 20 min left");
    CHECK(left(86'340) == "23 h 59 min left");
    CHECK(left(3 * 86'400 + 4 * 3600 + 59) == "3 d 4 h left");
    CHECK(left(1000UL * 86'400) == "");
    CHECK(left(static_cast<std::size_t>(-1)) == "");
    progress_numbers n;
    n.done = n.total.emplace(3);
    n.per_second = 1;
    CHECK(progress_text(n) == "3 of 3 (100 %), 1.0/s, 0 in flight");
}

TEST_CASE("a stop is told, and then how long it takes is not known") {
    progress_numbers n;
    n.done = 6;
    n.total = 10;
    n.per_second = 2;
    n.in_flight = 4;
    n.stopping = true;
    CHECK(progress_text(n) == "6 of 10 (60 %), stopping, 2.0/s, 4 in flight");
}

TEST_CASE("of a fan-out that has ended the line tells how long it took, and what did not start") {
    progress_numbers n;
    n.done = 612;
    n.total = 1000;
    n.per_second = 72;
    n.rejected = 3;
    n.stopping = true;
    n.not_started = 388;
    n.took = 8512ms;
    CHECK(progress_text(n) == "612 of 1000 (61 %), 72/s, 3 rejected, 388 not started, took 8.5 s");
    n.took = 125s;
    CHECK(progress_text(n).ends_with("took 2 min 5 s"));
    n.took = 12ms;
    CHECK(progress_text(n).ends_with("took 12 ms"));
}

TEST_CASE("a line that is too long leaves out what people miss least, and never exceeds its room") {
    progress_numbers n;
    n.done = 612;
    n.total = 1000;
    n.per_second = 118;
    n.in_flight = 64;
    n.retries = 12;
    n.rejected = 3;
    auto const text = [&n](std::size_t columns) { return progress_text(n, "videos", columns); };
    CHECK(text(79) == "612 of 1000 videos (61 %), 64 in flight, 12 retries, 3 rejected, 4 s left");
    CHECK(text(72) == "612 of 1000 videos (61 %), 12 retries, 3 rejected, 4 s left");
    CHECK(text(50) == "612 of 1000 videos (61 %), 3 rejected, 4 s left");
    CHECK(text(40) == "612 of 1000 videos (61 %), 4 s left");
    CHECK(text(30) == "612 of 1000 videos (61 %)");
    CHECK(text(10) == "612 of 100");
    CHECK(text(0) == "");
    for (std::size_t columns = 0; columns < 100; ++columns) {
        CHECK(text(columns).size() <= columns);
    }
}

TEST_CASE("a cut keeps characters whole, and counts wide ones twice") {
    progress_numbers n;
    std::string const korean = "영상"; // "0 영상", each of two columns and three bytes
    CHECK(progress_text(n, korean, 6) == "0 영상");
    CHECK(progress_text(n, korean, 5) == "0 영");
    CHECK(progress_text(n, korean, 3) == "0 ");
    CHECK(progress_text(n, "é", 3) == "0 é");
    CHECK(progress_text(n, "é", 2) == "0 ");
    CHECK(progress_text(n, "\xE9\xE9", 3).size() <= 3);
}

TEST_CASE("what the inputs are called moves no cursor and ends no line") {
    using fanout::detail::printable;
    CHECK(printable("videos") == "videos");
    CHECK(printable("a\nb\rc\033[Kd\x7F") == "a?b?c?[Kd?");
    CHECK(printable("\xC2\x9B"
                    "2J") == "?2J"); // the control character CSI, in two bytes
    CHECK(printable("Gr\xC3\xB6\xC3\x9F"
                    "e \xC2\xA0") == "Gr\xC3\xB6\xC3\x9F"
                                     "e \xC2\xA0");
    CHECK(printable("\xFF\xE9t") == "??t");
    CHECK(printable("") == "");
}

// ---- the rate

TEST_CASE("the rate is the mean of all at first, and follows what happened of late afterwards") {
    recent_rate r;
    CHECK_FALSE(r.per_second());
    r.add(0, 100ms);
    CHECK_FALSE(r.per_second());
    r.add(20, 100ms);
    CHECK(*r.per_second() == doctest::Approx(100).epsilon(0.01));
    for (int i = 0; i < 600; ++i) { // a minute of ten a second
        r.add(1, 100ms);
    }
    CHECK(*r.per_second() == doctest::Approx(10).epsilon(0.02));
    r.add(0, 15s); // and nothing, for once its memory
    CHECK(*r.per_second() == doctest::Approx(10 / std::exp(1)).epsilon(0.02));
    r.add(0, 10min);
    CHECK(*r.per_second() < 1e-9);
}

TEST_CASE("the rate does not depend on how often it is looked at") {
    recent_rate once, often;
    once.add(600, 60s);
    for (int i = 0; i < 600; ++i) {
        often.add(1, 100ms);
    }
    CHECK(*once.per_second() == doctest::Approx(10));
    CHECK(*often.per_second() == doctest::Approx(10));
    often.add(5, 0s); // no time has passed: it is not known yet over which time to spread them
    CHECK(*often.per_second() == doctest::Approx(10));
}

// ---- what is written when

TEST_CASE("on a terminal the line is redrawn ten times a second, and erased at the end") {
    asio::io_context context(1);
    screen s;
    auto options = s.options(true);
    options.what = "videos";
    line progress(context.get_executor(), options);
    progress.on_begun({1000});
    for (int second = 0; second < 3; ++second) {
        settle_many(progress, 100);
        start(progress, 0, 64);
        run_for(context, 1s);
    }
    progress.on_finished({700, 0, 3s});
    auto const drawn = s.drawn();
    REQUIRE(drawn.size() == 31);
    CHECK(drawn[0] == "100 of 1000 videos (10 %), 1000/s, 64 in flight, 1 s left");
    CHECK(drawn[29] == "300 of 1000 videos (30 %), 97/s, 64 in flight, 8 s left");
    CHECK(drawn[30] == "");
    CHECK(s.stream.str().find('\n') == std::string::npos);
    CHECK(fanout::testing::run(context) == 0s); // its timer keeps the context no longer
    CHECK(s.drawn().size() == 31);
}

TEST_CASE("on a terminal the last line may stay") {
    asio::io_context context(1);
    screen s;
    auto options = s.options(true);
    options.keep = true;
    line progress(context.get_executor(), options);
    progress.on_begun({2});
    run_for(context, 150ms);
    settle_many(progress, 2);
    progress.on_finished({0, 0, 500ms});
    CHECK(s.drawn().back() == "2 of 2 (100 %), 4.0/s, took 500 ms\n");
}

TEST_CASE("a fan-out that is over at once leaves no trace on a terminal") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(true));
    progress.on_begun({2});
    run_for(context, 99ms);
    settle_many(progress, 2);
    progress.on_finished({0, 0, 99ms});
    CHECK(s.stream.str() == "");
}

TEST_CASE("elsewhere there is one line a minute, and one at the end") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(false));
    progress.on_begun({300});
    start(progress, 0, 2);
    for (int i = 0; i < 5; ++i) {
        run_for(context, 30s);
        settle_many(progress, 30);
        start(progress, 0, 2);
    }
    settle(progress, 0, fanout::state::rejected);
    progress.on_finished({149, 0, 150s});
    REQUIRE(s.lines().size() == 3);
    CHECK(s.lines()[0] == "30 of 300 (10 %), 30/min, 2 in flight, 9 min left");
    CHECK(s.lines()[1] == "90 of 300 (30 %), 59/min, 2 in flight, 3 min 32 s left");
    CHECK(s.lines()[2] == "151 of 300 (50 %), 1.0/s, 1 rejected, 149 not started, took 2 min 30 s");
    CHECK(s.stream.str().ends_with("30 s\n"));
    CHECK(s.stream.str().find('\r') == std::string::npos);
}

TEST_CASE("a stream that is no standard one is no terminal") {
    asio::io_context context(1);
    screen s;
    fanout::progress_options options;
    options.output = &s.stream;
    line progress(context.get_executor(), options);
    progress.on_begun({1});
    run_for(context, 59s);
    CHECK(s.stream.str() == "");
    run_for(context, 1s);
    CHECK(s.stream.str() == "0 of 1 (0 %), 0 in flight\n");
}

TEST_CASE("quiet: nothing is written, and no timer is set") {
    asio::io_context context(1);
    screen s;
    for (auto const terminal : {true, false}) {
        auto options = s.options(terminal);
        options.quiet = true;
        line progress(context.get_executor(), options);
        progress.on_begun({2});
        start(progress, 0, 1);
        CHECK(fanout::testing::run(context) == 0s);
        settle_many(progress, 1);
        progress.on_stopped({fanout::stop_reason::caller, false, 0s});
        progress.on_finished({1, 0, 5min});
    }
    CHECK(s.stream.str() == "");
}

TEST_CASE("a fan-out in which nothing moves any more is seen: the rate falls") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(true));
    progress.on_begun({1000});
    settle_many(progress, 500);
    start(progress, 0, 8);
    run_for(context, 5s);
    CHECK(s.drawn().back() == "500 of 1000 (50 %), 85/s, 8 in flight, 6 s left");
    run_for(context, 1min);
    CHECK(s.drawn().size() == 650);
    CHECK(s.drawn().back() == "500 of 1000 (50 %), 27/min, 8 in flight, 18 min 45 s left");
}

TEST_CASE("retries are attempts that are not the first, and what is retried is not done") {
    asio::io_context context(1);
    screen s;
    auto options = s.options(true);
    options.already = 10;
    line progress(context.get_executor(), options);
    progress.on_begun({4});
    settle(progress, 0, fanout::state::rejected, true);
    start(progress, 0, 1, 2);
    settle(progress, 0, fanout::state::rejected, true);
    start(progress, 0, 1, 3);
    settle(progress, 0);
    settle(progress, 1, fanout::state::timed_out);
    settle(progress, 2, fanout::state::rejected, true);
    start(progress, 3, 5);
    run_for(context, 1s);
    CHECK(s.drawn().back().starts_with("12 of 14 (85 %), 1.9/s, 5 in flight, 2 retries, 1 rejected, "));
    progress.on_stopped({fanout::stop_reason::caller, false, 1s});
    run_for(context, 100ms);
    CHECK(s.drawn().back().starts_with("12 of 14 (85 %), stopping, "));
}

TEST_CASE("an input that was to run again, and does not, is done and rejected in the end") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(false));
    progress.on_begun({4});
    settle(progress, 0, fanout::state::rejected, true);
    progress.on_finished({3, 1, 1s});
    CHECK(s.stream.str() == "1 of 4 (25 %), 1.0/s, 1 rejected, 3 not started, took 1 s\n");
}

TEST_CASE("a second fan-out is counted anew") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(false));
    progress.on_begun({4});
    settle_many(progress, 3);
    settle(progress, 3, fanout::state::rejected);
    run_for(context, 1min);
    progress.on_stopped({fanout::stop_reason::caller, true, 1min});
    progress.on_finished({0, 0, 1min});
    progress.on_begun({}); // at once: the first timer's handler has not run yet
    settle(progress, 0);
    run_for(context, 1min);
    progress.on_finished({0, 0, 90s});
    REQUIRE(s.lines().size() == 4);
    CHECK(s.lines()[2] == "1 done, 1.0/min, 0 in flight");
    CHECK(s.lines()[3] == "1 done, 40/h, took 90 s");
}

// ---- in fan-outs

namespace {

/// A child that takes `time`, and fails at its first attempt where it is the fifth.
asio::awaitable<int> child(int i, manual_clock::duration time, std::uint32_t attempt) {
    asio::basic_waitable_timer<manual_clock> timer(co_await asio::this_coro::executor);
    timer.expires_after(time);
    co_await timer.async_wait(asio::use_awaitable);
    if (i == 5 && attempt == 1) {
        throw std::runtime_error("not now");
    }
    co_return i;
}

std::vector<int> inputs(int n) {
    std::vector<int> out(static_cast<std::size_t>(n));
    std::iota(out.begin(), out.end(), 0);
    return out;
}

using times = fanout::basic_options<manual_clock>;

} // namespace

TEST_CASE("a fan-out that is watched takes no longer, and its context has nothing to do when it has ended") {
    asio::io_context context(1);
    screen s;
    line progress(context.get_executor(), s.options(true));
    fanout::stats counts;
    auto const factory = [](int i, fanout::basic_attempt<manual_clock> const& a) {
        return child(i, 1s, a.number);
    };
    auto to =
        launch(context, fanout::retry_rejected(inputs(10), factory, fanout::retry_policy{}, fanout::limit(2),
                                               times{}, fanout::observe(counts, progress)));
    run_for(context, 2500ms);
    CHECK(s.drawn().back() == "4 of 10 (40 %), 1.6/s, 2 in flight, 4 s left");
    auto const took = 2500ms + fanout::testing::run(context);
    CHECK(to->done);
    CHECK(took == counts.wall_time());
    CHECK(counts.fulfilled() == 10);
    CHECK(counts.retried() == 1);
    auto const drawn = s.drawn();
    CHECK(drawn[drawn.size() - 2].find("1 retry") != std::string::npos);
    CHECK(drawn.back() == "");
}

TEST_CASE("it may be given away, and dies with the fan-out before its timer's handler has run") {
    asio::io_context context(1);
    screen s;
    auto const factory = [](int i) { return child(i, 1s, 2); };
    auto to = launch(context, fanout::retry_rejected(inputs(3), factory, fanout::retry_policy{}, times{},
                                                     line(context.get_executor(), s.options(true))));
    CHECK(fanout::testing::run(context) == 1s);
    CHECK(to->done);
    CHECK(s.drawn().back() == "");
}

TEST_CASE("a progress that is gone erases its line, and its timer does nothing more") {
    asio::io_context context(1);
    screen s;
    {
        line progress(context.get_executor(), s.options(true));
        progress.on_begun({2});
        run_for(context, 1s);
        CHECK(s.drawn().back() != "");
    }
    CHECK(s.drawn().back() == "");
    auto const before = s.stream.str();
    CHECK(fanout::testing::run(context) == 0s);
    CHECK(s.stream.str() == before);
}

TEST_CASE("a context that is destroyed in the middle takes the timer with it; the progress may outlive it") {
    screen s;
    auto context = std::make_unique<asio::io_context>(1);
    auto progress = std::make_unique<line>(context->get_executor(), s.options(true));
    progress->on_begun({2});
    run_for(*context, 1s);
    context.reset();
    CHECK(s.drawn().back() != "");
    SUBCASE("and end, as if nothing had happened") { progress->on_finished({2, 0, 1s}); }
    SUBCASE("and die") { progress.reset(); }
    CHECK(s.drawn().back() == "");
}

TEST_CASE("a context that is destroyed takes a fan-out with it, and the progress that was given to it") {
    screen s;
    {
        asio::io_context context(1);
        auto const factory = [](int i) { return child(i, 1h, 2); };
        launch(context, fanout::retry_rejected(inputs(3), factory, fanout::retry_policy{}, times{},
                                               line(context.get_executor(), s.options(true))));
        run_for(context, 1s);
        CHECK(s.drawn().back() == "0 of 3 (0 %), 3 in flight");
    }
    CHECK(s.drawn().back() == "");
}

TEST_CASE("a stream that fails, or throws, ends nothing, and is left as good as it was") {
    for (auto const thrown : {std::ios::goodbit, std::ios::badbit}) {
        asio::io_context context(1);
        broken_buffer buffer;
        std::ostream stream(&buffer);
        stream.exceptions(thrown);
        fanout::progress_options options;
        options.output = &stream;
        line progress(context.get_executor(), options);
        progress.on_begun({2});
        run_for(context, 3min);
        progress.on_finished({2, 0, 3min});
        CHECK(buffer.tries == 4);
        CHECK(stream.good());
    }
    asio::io_context context(1);
    screen s;
    s.stream.setstate(std::ios::failbit);
    line progress(context.get_executor(), s.options(false));
    progress.on_begun({2});
    progress.on_finished({2, 0, 1s});
    CHECK(s.stream.fail()); // it was so before
}
