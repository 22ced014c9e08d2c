// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"

#include "values.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

namespace {

using namespace snapshot;
using namespace std::chrono_literals;

arguments parse(std::initializer_list<char const*> words) {
    std::vector<char const*> argv{"video_snapshot"};
    argv.insert(argv.end(), words);
    return std::get<arguments>(parse_arguments(static_cast<int>(argv.size()), argv.data()));
}

std::string complaint(std::initializer_list<char const*> words) {
    try {
        parse(words);
    } catch (usage_error const& e) {
        return e.what();
    }
    return "";
}

constexpr char const* some_mysql = "mysql://app:secret@127.0.0.1/app";
constexpr char const* some_dynamodb = "http://127.0.0.1:8000";

} // namespace

TEST_CASE("without arguments: retry, 64 at once, today, embedded") {
    auto const a = parse({});
    CHECK(a.how == strategy::retry);
    CHECK(std::get<window_limit>(a.limit.what).permits == 64);
    CHECK(a.limit.given == "64");
    CHECK(a.max_attempts == 4);
    CHECK_FALSE(a.attempt_timeout.has_value());
    CHECK_FALSE(a.deadline.has_value());
    CHECK_FALSE(a.trace.has_value());
    CHECK_FALSE(a.waterfall.has_value());
    CHECK(a.day.size() == 10);
    auto const& embedded = std::get<embedded_arguments>(a.ends);
    CHECK(embedded.latency == 5ms);
    CHECK(embedded.throttle == 0);
    CHECK_FALSE(embedded.videos.has_value());
}

TEST_CASE("every option is understood") {
    auto const a = parse({"--strategy",
                          "when_all",
                          "--limit",
                          "unlimited",
                          "--max-attempts",
                          "7",
                          "--attempt-timeout",
                          "2s",
                          "--deadline",
                          "14min",
                          "--date",
                          "2024-02-29",
                          "--json",
                          "--quiet",
                          "--trace",
                          "t.json",
                          "--waterfall",
                          "w.svg",
                          "--embedded",
                          "x.db",
                          "--latency",
                          "0",
                          "--throttle",
                          "5%",
                          "--seed",
                          "9",
                          "--videos",
                          "0"});
    CHECK(a.how == strategy::when_all);
    CHECK(std::holds_alternative<no_limit>(a.limit.what));
    CHECK(a.max_attempts == 7);
    CHECK(a.attempt_timeout == 2s);
    CHECK(a.deadline == 14min);
    CHECK(a.day == "2024-02-29");
    CHECK(a.json);
    CHECK(a.quiet);
    CHECK(a.trace == "t.json");
    CHECK(a.waterfall == "w.svg");
    auto const& embedded = std::get<embedded_arguments>(a.ends);
    CHECK(embedded.file == "x.db");
    CHECK(embedded.latency == 0s);
    CHECK(embedded.throttle == doctest::Approx(0.05));
    CHECK(embedded.seed == 9);
    CHECK(embedded.videos == 0);
    auto const b =
        parse({"--mysql", some_mysql, "--dynamodb", some_dynamodb, "--table", "T.a-b_1", "--create-table"});
    auto const& servers = std::get<server_arguments>(b.ends);
    CHECK(servers.mysql.password == "secret");
    CHECK(servers.dynamodb.port == 8000);
    CHECK(servers.table == "T.a-b_1");
    CHECK(servers.create_table);
}

TEST_CASE("a wrong value is named, with what is allowed") {
    CHECK(complaint({"--limit", "0"}) == "--limit: '0' is not allowed; give a whole number from 1 to "
                                         "1000000, unlimited, rate:N/s, rate:N/min or "
                                         "adaptive");
    CHECK(complaint({"--strategy", "fast"}) ==
          "--strategy: 'fast' is not allowed; give sequential, when_all, settled or retry");
    for (auto const* value : {"-1",
                              "",
                              "x",
                              "1.5",
                              "64x",
                              " 64",
                              "1000001",
                              "Unlimited",
                              "rate",
                              "rate:",
                              "rate:500",
                              "rate:/s",
                              "rate:0/s",
                              "rate:-5/s",
                              "rate:x/s",
                              "rate:500/h",
                              "rate:500s",
                              "rate:1e3/s",
                              "rate:inf/s",
                              "rate:nan/s",
                              "rate:5/s:",
                              "rate:5/s:0",
                              "rate:5/s:x",
                              "rate:5/s:1.5",
                              "rate:5/s:1:1",
                              "rate: 5/s",
                              "rate:5/s ",
                              "rate:1.2.3/s",
                              "rate:0.0001/s",
                              "rate:1000001/s",
                              "rates:5/s",
                              "adaptive:",
                              "adaptive:0",
                              "adaptive:-1",
                              "adaptive:x",
                              "adaptive:1000001",
                              "adaptive 64",
                              "Adaptive",
                              "adaptive:64x",
                              "rate:5/s:1000001",
                              "99999999999999999999"}) {
        CAPTURE(value);
        CHECK(complaint({"--limit", value}).find("--limit: '") == 0);
    }
    CHECK(complaint({"--limit", "rate:0/s"}).find("a rate as rate:500/s") != std::string::npos);
    CHECK(complaint({"--limit", "adaptive:0"}).find("adaptive:MAX") != std::string::npos);
    for (auto const* value : {"0", "-3", "1001", "many"})
        CHECK(complaint({"--max-attempts", value}) != "");
    for (auto const* option : {"--attempt-timeout", "--deadline"})
        for (auto const* value :
             {"0", "0s", "-1s", "5", "s", "1 s", "1d", "25h", "nan", "inf", "1e3s", "1.2.3s", ""})
            CHECK(complaint({option, value}) != "");
    for (auto const* value : {"-5ms", "slow", "5", "25h"})
        CHECK(complaint({"--latency", value}) != "");
    for (auto const* value : {"101%", "-1%", "1.5", "nan", "%", "", "some", "5 %"})
        CHECK(complaint({"--throttle", value}) != "");
    for (auto const* value : {"2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10", "2026-1-1",
                              "22.11.2026", "20261122", "2026-11-22T00:00:00Z", "", "+026-11-22"})
        CHECK(complaint({"--date", value}) != "");
    for (auto const* value : {"ab", "a b c", "<table>", ""})
        CHECK(complaint({"--mysql", some_mysql, "--dynamodb", some_dynamodb, "--table", value}) != "");
    CHECK(complaint({"--videos", "-1"}) != "");
    CHECK(complaint({"--seed", "-1"}) != "");
    CHECK(complaint({"--embedded", ""}) != "");
}

TEST_CASE("a share is a percentage or a fraction") {
    auto const throttle = [](char const* share) {
        return std::get<embedded_arguments>(parse({"--throttle", share}).ends).throttle;
    };
    CHECK(throttle("5%") == doctest::Approx(0.05));
    CHECK(throttle("0.05") == doctest::Approx(0.05));
    CHECK(throttle("0.5%") == doctest::Approx(0.005));
    CHECK(throttle("100%") == 1);
    CHECK(throttle("1") == 1);
    CHECK(throttle("0") == 0);
}

TEST_CASE("a run is called by its strategy, and its limit where it has one") {
    CHECK(how_text(parse({"--strategy", "sequential", "--limit", "8"})) == "sequential");
    CHECK(how_text(parse({"--limit", "rate:600/min"})) == "retry, limit rate:600/min");
}

TEST_CASE("every form of a limit is understood, and kept as it was given") {
    auto const limit = [](char const* text) {
        auto const a = parse({"--limit", text});
        CHECK(a.limit.given == text);
        return a.limit.what;
    };
    CHECK(std::get<window_limit>(limit("1")).permits == 1);
    CHECK(std::get<window_limit>(limit("1000000")).permits == 1'000'000);
    CHECK(std::holds_alternative<no_limit>(limit("unlimited")));
    CHECK(std::get<rate_limit>(limit("rate:500/s")) == rate_limit{500, 50});
    CHECK(std::get<rate_limit>(limit("rate:500/s:7")) == rate_limit{500, 7});
    CHECK(std::get<rate_limit>(limit("rate:90/min")) == rate_limit{1.5, 1});
    CHECK(std::get<rate_limit>(limit("rate:0.5/s:1000000")) == rate_limit{0.5, 1'000'000});
    CHECK(std::get<adaptive_limit>(limit("adaptive")) == adaptive_limit{1000});
    CHECK(std::get<adaptive_limit>(limit("adaptive:64")) == adaptive_limit{64});
}

TEST_CASE("options that do not go together are refused") {
    CHECK(complaint({"--mysql", some_mysql}).find("--dynamodb") != std::string::npos);
    CHECK(complaint({"--dynamodb", some_dynamodb}).find("--mysql") != std::string::npos);
    CHECK(complaint({"--table", "abc"}) != "");
    CHECK(complaint({"--create-table"}) != "");
    for (auto const* option : {"--embedded", "--videos", "--latency", "--throttle", "--seed"})
        CHECK(complaint({"--mysql", some_mysql, "--dynamodb", some_dynamodb, option, "1"}).find(option) == 0);
}

TEST_CASE("an unknown, a repeated, a surplus or an unfinished argument is refused in one line") {
    for (auto const& words : {std::initializer_list<char const*>{"--unknown"},
                              {"surplus"},
                              {"--limit", "1", "--limit", "2"},
                              {"--limit"},
                              {"--json=7"},
                              {"--strategy", "a\nb"}}) {
        auto const what = complaint(words);
        CHECK(what != "");
        CHECK(what.find('\n') == std::string::npos);
    }
}

TEST_CASE("a complaint about a URL does not hold it") {
    auto const what = complaint({"--mysql", "mysql://app:se/cret@h/d", "--dynamodb", some_dynamodb});
    CHECK(what.find("--mysql: not a usable URL") == 0);
    CHECK(what.find("cret") == std::string::npos);
}

TEST_CASE("durations and days") {
    CHECK(parse_duration("o", "500ms", false) == 500ms);
    CHECK(parse_duration("o", "1.5s", false) == 1500ms);
    CHECK(parse_duration("o", "250us", false) == 250us);
    CHECK(parse_duration("o", "1h", false) == 1h);
    CHECK(parse_duration("o", "0s", true) == 0s);
    using namespace std::chrono;
    CHECK(day_of(sys_days(2026y / November / 22) + 23h + 59min) == "2026-11-22");
    CHECK(day_of(sys_days(1969y / December / 31) + 1h) == "1969-12-31");
}

TEST_CASE("--help and --version are texts, not runs") {
    char const* argv[] = {"video_snapshot", "--help"};
    auto const help = std::get<std::string>(parse_arguments(2, argv));
    for (auto const* option : {"--strategy",
                               "--limit",
                               "--max-attempts",
                               "--attempt-timeout",
                               "--deadline",
                               "--mysql",
                               "--dynamodb",
                               "--table",
                               "--json",
                               "--embedded",
                               "--latency",
                               "--throttle",
                               "--seed",
                               "--date",
                               "--videos",
                               "--quiet",
                               "--trace",
                               "--waterfall",
                               "rate:N/s",
                               "unlimited",
                               "adaptive",
                               "Exit status",
                               "snapshot: F fulfilled, R rejected"})
        CHECK(help.find(option) != std::string::npos);
    argv[1] = "--version";
    CHECK(std::get<std::string>(parse_arguments(2, argv)).find("fanout ") != std::string::npos);
}
