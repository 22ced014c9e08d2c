// SPDX-License-Identifier: BSL-1.0
#include "summary.hpp"

#include "../../examples/adapters/dynamodb_error.hpp"

#include <boost/asio/error.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>

#include <sstream>

namespace {

using namespace snapshot;
using namespace std::chrono_literals;

std::vector<video> const pending{{"a", 1}, {"b", 2}, {"c\nc", 3}, {"d", 4}};

// a is written, b failed, c timed out, d was not started.
void fill(ledger& book) {
    fanout::error_code const reset = boost::asio::error::connection_reset;
    book.on_started({0, 1, 1, 0s});
    book.on_settled({0, 1, 0, fanout::state::fulfilled, {}, false, 1s, 1s});
    book.on_settled({1, 1, 0, fanout::state::rejected, reset, true, 1s, 1s});
    book.on_settled({1, 2, 0, fanout::state::rejected, reset, false, 1s, 2s});
    book.on_settled({2, 1, 0, fanout::state::timed_out, fanout::errc::timed_out, false, 1s, 2s});
    book.explain(1, std::make_exception_ptr(boost::system::system_error(reset, "the cable")));
    book.on_finished({1, 0, 2s});
}

} // namespace

TEST_CASE("the numbers add up to the videos") {
    ledger book(4);
    fill(book);
    entries_of_day const after{{"a", 1}, {"z", 1}};
    auto const s = make_summary(pending, book, 1, &after);
    CHECK(s.videos == 5);
    CHECK(s.fulfilled == 2);
    REQUIRE(s.rejected.size() == 2);
    CHECK(s.rejected[0].why.find("the cable: ") == 0);
    CHECK(s.rejected[0].why.find('[') == std::string::npos);
    CHECK(s.rejected[1].why == "timed out");
    CHECK(s.not_started == std::vector<std::string>{"d"});
    CHECK_FALSE(s.all_recorded());
    CHECK(last_line(s) ==
          "snapshot: 2 fulfilled, 2 rejected, 1 not started, 0 doubled; 2.000 s, parallelism 2.0");
}

TEST_CASE("what the target holds decides, not what a write reported") {
    ledger book(4);
    fill(book);
    entries_of_day const after{
        {"c\nc", 2}}; // the timed out one did arrive, and twice; the written one is gone
    auto const s = make_summary(pending, book, 0, &after);
    CHECK(s.fulfilled == 1);
    REQUIRE(s.rejected.size() == 2);
    CHECK(s.rejected[0].id == "a");
    CHECK(s.rejected[0].why.find("not there") != std::string::npos);
    CHECK(s.doubled == std::vector<std::string>{"c\nc"});
}

TEST_CASE("a target that cannot be read back is said to be unknown") {
    ledger book(4);
    fill(book);
    auto const s = make_summary(pending, book, 0, nullptr);
    CHECK(s.fulfilled == 1);
    CHECK_FALSE(s.all_recorded());
    CHECK(last_line(s) ==
          "snapshot: 1 fulfilled, 2 rejected, 1 not started, ? doubled; 2.000 s, parallelism 2.0");
}

TEST_CASE("throttled replies are counted, each try's, and told before the last line") {
    fanout::error_code const throttled = adapters::dynamodb_errc::throttled;
    ledger book(4);
    book.on_settled({0, 1, 0, fanout::state::rejected, throttled, true, 1s, 1s});
    book.on_settled({0, 2, 0, fanout::state::rejected, throttled, true, 1s, 2s});
    book.on_settled({0, 3, 0, fanout::state::fulfilled, {}, false, 1s, 3s});
    book.on_settled({1, 1, 0, fanout::state::rejected, boost::asio::error::connection_reset, false, 1s, 1s});
    auto s = make_summary(pending, book, 0, nullptr);
    CHECK(s.throttled == 2);
    auto const text = [&s] {
        std::ostringstream out;
        print_text(out, s, {});
        return out.str();
    };
    CHECK(text().ends_with("\n2 replies were throttled\n" + last_line(s) + '\n'));
    s.limit_at_end = 7;
    CHECK(text().ends_with("\n2 replies were throttled; the limit ended at 7\n" + last_line(s) + '\n'));
    s.throttled = 1;
    CHECK(text().ends_with("\n1 reply was throttled; the limit ended at 7\n" + last_line(s) + '\n'));
    s.throttled = 0;
    CHECK(text().find("throttled") == std::string::npos);
}

TEST_CASE("JSON holds the limit as it was given, what was throttled, and where an adaptive limit ended") {
    auto const report = [](summary const& s, char const* limit) {
        arguments all;
        all.limit = parse_limit("--limit", limit);
        std::ostringstream out;
        print_json(out, s, all);
        auto const text = out.str();
        CHECK(text.find("replies were") == std::string::npos);
        return boost::json::parse(text.substr(0, text.find('\n')));
    };
    summary s;
    s.throttled = 2;
    auto const fixed = report(s, "64");
    CHECK(fixed.at("limit") == 64);
    CHECK(fixed.at("limit_given") == "64");
    CHECK(fixed.at("throttled_replies") == 2);
    CHECK(fixed.at("limit_at_end").is_null());
    s.limit_at_end = 7;
    auto const adaptive = report(s, "adaptive:256");
    CHECK(adaptive.at("limit").is_null());
    CHECK(adaptive.at("limit_given") == "adaptive:256");
    CHECK(adaptive.at("limit_at_end") == 7);
    CHECK(report(s, "unlimited").at("limit").is_null());
}

TEST_CASE("the text tells what the statistics say of the writes, where there were any") {
    ledger book(4);
    fill(book);
    auto const text = [](summary const& s) {
        std::ostringstream out;
        print_text(out, s, {});
        return out.str();
    };
    auto const s = make_summary(pending, book, 0, nullptr);
    CHECK(s.account == book.text());
    CHECK(text(s).find("\nretry, limit 64\n") != std::string::npos);
    CHECK(text(s).find('\n' + book.text() + "\npeak memory: ") != std::string::npos);
    auto const nothing = make_summary({}, ledger(0), 7, nullptr);
    CHECK(nothing.account.empty());
    CHECK(text(nothing).find("\n\n") == std::string::npos);
}

TEST_CASE("no videos: all are recorded") {
    ledger const book(0);
    entries_of_day const after;
    auto const s = make_summary({}, book, 0, &after);
    CHECK(s.all_recorded());
    CHECK(last_line(s) ==
          "snapshot: 0 fulfilled, 0 rejected, 0 not started, 0 doubled; 0.000 s, parallelism 0.0");
}

TEST_CASE("doubled videos are not all recorded well") {
    summary s;
    s.doubled = {"x"};
    CHECK_FALSE(s.all_recorded());
}

TEST_CASE("a long list is cut, an id keeps to its line, and the summary is last") {
    summary s;
    s.videos = 31;
    for (int i = 0; i < 30; ++i)
        s.rejected.push_back({"video" + std::to_string(i), i % 2 == 0 ? "even" : "odd"});
    s.not_started = {"two\nlines"};
    s.doubled.emplace();
    arguments all;
    all.day = "2026-11-22";
    std::ostringstream out;
    print_text(out, s, all);
    auto const text = out.str();
    CHECK(text.find("rejected (15), even: video0, video2, ") != std::string::npos);
    CHECK(text.find(" … and 5 more\n") != std::string::npos);
    CHECK(text.find("not started (1): two?lines\n") != std::string::npos);
    CHECK(text.ends_with(last_line(s) + '\n'));
    CHECK(text.find("peak memory: ") != std::string::npos);
}

TEST_CASE("with a hundred causes the text stays short") {
    summary s;
    for (int i = 0; i < 100; ++i)
        s.rejected.push_back({"v", "cause " + std::to_string(i)});
    std::ostringstream out;
    print_text(out, s, {});
    auto const text = out.str();
    CHECK(std::count(text.begin(), text.end(), '\n') < 20);
    CHECK(text.find("rejected (90) for 90 other causes\n") != std::string::npos);
}

TEST_CASE("JSON is one line before the summary, and holds every id") {
    ledger book(4);
    fill(book);
    entries_of_day const after{{"a", 2}};
    auto const s = make_summary(pending, book, 0, &after);
    arguments all;
    all.day = "2026-11-22";
    std::ostringstream out;
    print_json(out, s, all);
    auto const text = out.str();
    auto const end = text.find('\n');
    CHECK(text.substr(end + 1) == last_line(s) + '\n');
    auto const report = boost::json::parse(text.substr(0, end));
    CHECK(report.at("date") == "2026-11-22");
    CHECK(report.at("videos") == 4);
    CHECK(report.at("rejected").at(1).at("id") == "c\nc");
    CHECK(report.at("not_started").at(0) == "d");
    CHECK(report.at("doubled").at(0) == "a");
}

TEST_CASE("JSON tells in seconds how long a try took, and how long all of them waited") {
    ledger book(1);
    for (int i = 1; i <= 100; ++i) {
        book.on_started({.index = 0, .attempt = 1, .in_flight = 1, .at = 0s, .waited = 5ms});
        book.on_settled({0, 1, 0, fanout::state::fulfilled, {}, false, i * 1ms, 1s});
    }
    std::ostringstream out;
    print_json(out, make_summary({}, book, 0, nullptr), {});
    auto const report = boost::json::parse(out.str().substr(0, out.str().find('\n')));
    auto const latency = [&report](char const* what) {
        return boost::json::value_to<double>(report.at("latency").at(what));
    };
    CHECK(latency("p50") == doctest::Approx(0.050).epsilon(0.01)); // what stats promises
    CHECK(latency("p90") == doctest::Approx(0.090).epsilon(0.01));
    CHECK(latency("p99") == doctest::Approx(0.099).epsilon(0.01));
    CHECK(latency("max") == 0.1);
    CHECK(boost::json::value_to<double>(report.at("waited")) == 0.5);
}
