// SPDX-License-Identifier: BSL-1.0
#include <fanout/limit/window.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace test;
using fanout::recording;
using fanout::state;
using timer = asio::basic_waitable_timer<manual_clock>;
using options = fanout::basic_options<manual_clock>;

std::string ms(std::chrono::nanoseconds d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

std::string line(recording::attempt const& a) {
    return std::to_string(a.index) + '.' + std::to_string(a.number) + " lane " + std::to_string(a.lane) +
           ": " + ms(a.ready) + ' ' + ms(a.start) + ' ' + ms(a.end) + ' ' +
           (a.running ? "running" : fanout::to_string(a.what)) + (a.retried ? " retried" : "");
}

std::string lines(recording const& r) {
    std::string out;
    for (auto const& a : r.attempts()) {
        out += line(a) + '\n';
    }
    return out;
}

std::string levels(recording const& r) {
    std::string out;
    for (auto const& l : r.levels()) {
        out += ms(l.from) + ": " + std::to_string(l.in_flight_least) + '-' +
               std::to_string(l.in_flight_most) + " of " + (l.limit ? std::to_string(*l.limit) : "any") +
               ", queued " + std::to_string(l.queued_most) + '\n';
    }
    return out;
}

/// One child after the other on lane 0, each of 1 ms; what became of it is what `ended` says of its index.
void record(recording& r, std::size_t n, auto ended) {
    r.on_begun({n});
    for (std::size_t i = 0; i < n; ++i) {
        auto const at = i * 1ms;
        r.on_started({i, 1, 1, at, 0, at});
        auto const what = ended(i);
        auto const error = what == state::fulfilled ? error_code() : asio::error::connection_reset;
        r.on_settled({i, 1, 0, what, error, false, 1ms, at + 1ms, 0, at, false});
    }
    r.on_finished({0, 0, n * 1ms});
}

state fulfilled(std::size_t) { return state::fulfilled; }

} // namespace

TEST_CASE("a recording knows each attempt, and what was in flight and queued") {
    manual_clock::current = {};
    asio::io_context context(1);
    auto failures = 1;
    auto const sleep = [&failures](int milliseconds) -> asio::awaitable<void> {
        timer t(co_await asio::this_coro::executor, std::chrono::milliseconds(milliseconds));
        co_await t.async_wait(asio::deferred);
        if (milliseconds == 30 && failures-- > 0) {
            throw std::runtime_error("30");
        }
    };
    std::vector<int> const inputs{30, 20, 20};
    recording rec;
    auto const done = launch(
        context, fanout::retry_rejected(
                     inputs, sleep, fanout::retry_policy{.max_attempts = 2, .backoff = fanout::constant{5ms}},
                     fanout::limit(1), options{}, rec));
    fanout::testing::run(context);
    REQUIRE(done->done);
    CHECK(lines(rec) == "0.1 lane 0: 0 0 30 rejected retried\n"
                        "0.2 lane 0: 35 50 80 fulfilled\n"
                        "1.1 lane 0: 0 30 50 fulfilled\n"
                        "2.1 lane 0: 0 80 100 fulfilled\n");
    // Of several levels of one instant the last one counts.
    CHECK(levels(rec) == "0: 1-1 of 1, queued 2\n"
                         "30: 1-1 of 1, queued 1\n"
                         "50: 1-1 of 1, queued 1\n"
                         "80: 1-1 of 1, queued 0\n"
                         "100: 0-0 of 1, queued 0\n");
    CHECK(rec.inputs() == 3);
    CHECK(rec.inputs_seen() == 3);
    CHECK(rec.end() == 100ms);
    CHECK(rec.totals().fulfilled() == 3);
    CHECK(rec.dropped() == 0);
    CHECK(rec.every() == 1);
    REQUIRE(rec.marks().size() == 2);
    CHECK(rec.marks()[1].at == 100ms);
}

TEST_CASE("a further call is put behind the first") {
    recording rec;
    record(rec, 2, fulfilled);
    record(rec, 1, fulfilled);
    CHECK(lines(rec) == "0.1 lane 0: 0 0 1 fulfilled\n"
                        "1.1 lane 0: 0 1 2 fulfilled\n"
                        "2.1 lane 0: 2 2 3 fulfilled\n");
    CHECK(rec.inputs() == 3);
    CHECK(rec.end() == 3ms);
}

TEST_CASE("of thousands of calls the last mark is kept, and nothing of one that was dropped is queued") {
    recording rec;
    for (int i = 0; i < 2'000; ++i) {
        record(rec, 1, fulfilled);
    }
    CHECK(rec.marks().size() < 2'000);
    CHECK(rec.marks().back().what == recording::mark::finished);
    CHECK(rec.marks().back().at == rec.end());

    rec.on_begun({2});
    rec.on_started({0, 1, 1, 0ms});
    rec.on_settled({0, 1, 0, state::rejected, {}, true, 1ms, 1ms});
    rec.on_retry({0, 1, 1ms, 1ms});
    rec.on_started({1, 1, 1, 3ms}); // before it the other one is due
    CHECK(rec.levels().back().queued_most == 1);
    rec.on_begun({1}); // and the context was destroyed
    CHECK(rec.levels().back().queued_most == 1);
}

TEST_CASE("what has not ended is shown as running") {
    recording rec;
    rec.on_begun({2});
    rec.on_started({0, 1, 1, 0ms, 0, 0ms});
    rec.on_started({1, 1, 2, 5ms, 1, 5ms});
    rec.on_settled({0, 1, 1, state::fulfilled, {}, false, 7ms, 7ms, 0, 0ms, false});
    CHECK(lines(rec) == "0.1 lane 0: 0 0 7 fulfilled\n1.1 lane 1: 0 5 7 running\n");
}

TEST_CASE("nothing is queued once the fan-out was stopped") {
    recording rec;
    rec.on_begun({10});
    rec.on_started({0, 1, 1, 0ms, 0, 0ms});
    rec.on_retry({5, 1, 1ms, 0ms});
    rec.on_stopped({fanout::stop_reason::caller, false, 4ms});
    rec.on_settled({0, 1, 0, state::fulfilled, {}, false, 7ms, 7ms, 0, 0ms, false});
    rec.on_finished({9, 0, 7ms});
    CHECK(levels(rec) == "0: 1-1 of any, queued 9\n4: 1-1 of any, queued 0\n7: 0-0 of any, queued 0\n");
    REQUIRE(rec.marks().size() == 3);
    CHECK(rec.marks()[1].what == recording::mark::stopped);
    CHECK(rec.marks()[1].why == fanout::stop_reason::caller);
}

TEST_CASE("of more attempts than there is room for each second input is forgotten, and the count is right") {
    recording rec(recording::options{.max_attempts = 100, .max_levels = 16});
    record(rec, 1'000, fulfilled);
    auto const kept = rec.attempts();
    CHECK(kept.size() <= 100);
    CHECK(kept.size() > 50);
    CHECK(kept.size() + rec.dropped() == 1'000);
    CHECK(rec.every() == 16);
    for (auto const& a : kept) {
        CHECK(a.index % 16 == 0);
        CHECK(a.start == a.index * 1ms);
    }
    CHECK(kept.back().index > 950); // the whole time is there
    CHECK(rec.totals().fulfilled() == 1'000);
    CHECK(rec.levels().size() <= 16);
    CHECK(rec.levels().back().from > 800ms);
    CHECK(rec.levels()[rec.levels().size() / 2].in_flight_most == 1);
}

TEST_CASE("what was rejected is kept, up to a quarter of the room") {
    recording rec(recording::options{.max_attempts = 100});
    record(rec, 1'000, [](std::size_t i) { return i % 111 == 5 ? state::rejected : state::fulfilled; });
    auto const kept = rec.attempts();
    CHECK(std::count_if(kept.begin(), kept.end(), [](auto const& a) { return a.what == state::rejected; }) ==
          9);
    CHECK(kept[1].error == asio::error::connection_reset);

    recording all(recording::options{.max_attempts = 100});
    record(all, 10'000, [](std::size_t) { return state::rejected; });
    CHECK(all.attempts().size() <= 100);
    CHECK(all.attempts().size() + all.dropped() == 10'000);
    CHECK(all.attempts().back().index > 9'000);
}

TEST_CASE("many attempts of one input have a bound, too") {
    recording rec(recording::options{.max_attempts = 10});
    rec.on_begun({1});
    for (std::uint32_t i = 1; i <= 1'000; ++i) {
        rec.on_started({0, i, 1, i * 1ms, 0, 0ms});
        rec.on_settled({0, i, 0, state::rejected, {}, true, 1ms, (i + 1) * 1ms, 0, 0ms, false});
        rec.on_retry({0, i, 0ms, (i + 1) * 1ms});
    }
    CHECK(rec.attempts().size() == 10);
    CHECK(rec.dropped() == 990);
    CHECK(rec.every() == 1); // there is no other input that could be missing
}

TEST_CASE("an index that is none overflows nothing") {
    recording rec(recording::options{.max_attempts = 1});
    auto const ended = [&rec](std::size_t index) {
        rec.on_settled({index, 1, 0, state::fulfilled, {}, false, 1ms, 1ms});
    };
    ended(SIZE_MAX);
    CHECK(rec.inputs_seen() > SIZE_MAX / 2);
    for (std::size_t i = 0; i < 100; ++i) {
        ended(0); // which stays, however many of the others are forgotten
    }
    CHECK(rec.attempts().size() == 1);
    CHECK(rec.dropped() == 100);
}

TEST_CASE("what lasts is seen as it was, however many steps there are") {
    fanout::detail::level_series s(8);
    auto const at = [](std::chrono::nanoseconds from, std::size_t n) {
        return fanout::detail::level{from, n, n, 0, {}};
    };
    for (std::size_t burst = 0; burst < 3; ++burst) { // of 100 steps in 100 us, then it lasts for an hour
        for (std::size_t i = 0; i < 100; ++i) {
            s.add(at(burst * 1h + i * 1us, i % 7));
        }
        s.add(at(burst * 1h + 100us, 5 + burst));
    }
    s.add(at(3h, 0));
    CHECK(s.levels().size() <= 8);
    for (std::size_t burst = 0; burst < 3; ++burst) { // what held for most of the hour
        auto const noon = burst * 1h + 30min;
        auto const next =
            std::find_if(s.levels().begin(), s.levels().end(), [&](auto const& l) { return l.from > noon; });
        REQUIRE(next != s.levels().begin());
        CHECK((next - 1)->in_flight_least == 5 + burst);
        CHECK((next - 1)->in_flight_most == 5 + burst);
    }
}

TEST_CASE("different errors are told apart, up to a bound") {
    recording rec;
    rec.on_begun({1'000});
    for (std::size_t i = 0; i < 1'000; ++i) {
        error_code const e(static_cast<int>(i) + 1, boost::system::generic_category());
        rec.on_settled({i, 1, 0, state::rejected, e, false, 0ms, 0ms, 0, 0ms, false});
    }
    auto const kept = rec.attempts();
    CHECK(kept[0].error.value() == 1);
    CHECK(kept[255].error.value() == 256);
    CHECK(!kept[256].error);
}

TEST_CASE("a million children leave the memory within its bound") {
    recording rec(recording::options{.max_attempts = 1'000, .max_levels = 100});
    rec.on_begun({1'000'000});
    for (std::uint32_t i = 0; i < 1'000'000; ++i) { // all at once
        rec.on_started({i, 1, std::size_t{i} + 1, 0ms, i, 0ms});
    }
    for (std::uint32_t i = 0; i < 1'000'000; ++i) {
        auto const left = std::size_t{999'999} - i;
        rec.on_settled({i, 1, left, state::rejected, {}, true, i * 1us, i * 1us, i, 0ms, false});
        rec.on_retry({i, 1, 1h, i * 1us});
    }
    CHECK(rec.attempts().size() <= 1'000);
    CHECK(rec.attempts().size() + rec.dropped() == 1'000'000);
    CHECK(rec.levels().size() <= 100);
    CHECK(rec.levels().front().in_flight_most == 999'999); // the first one ends at once
    CHECK(rec.totals().started() == 1'000'000);
}
