// SPDX-License-Identifier: BSL-1.0

// The file as its viewers read it: parsed by Boost.JSON, its rows nested as speedscope does it, its arrows
// bound as Perfetto does it. (tests/integration gives traces of the examples to speedscope itself.)

#include <fanout/limit/window.hpp>
#include <fanout/observe/chrome_trace.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"
#include "../../support/rtti.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/json/src.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <locale>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
namespace json = boost::json;
using fanout::chrome_trace_options;
using fanout::named_recording;
using fanout::recording;
using fanout::since_start;
using fanout::state;
using fanout::stop_reason;

namespace {

/// Tells a recording by hand what happens.
class teller {
public:
    explicit teller(recording& r, std::optional<std::size_t> inputs = {}) : to_(&r) {
        to_->on_begun({inputs});
    }

    void start(std::size_t index, std::uint32_t attempt, since_start at, std::uint32_t lane,
               since_start waited = {}) {
        runs_[lane] = {index, attempt, at, waited};
        to_->on_started({index, attempt, ++in_flight_, at, lane, waited});
    }
    void end(std::uint32_t lane, since_start at, state what = state::fulfilled, error_code e = {},
             bool retried = false, bool overloaded = false) {
        auto const [index, attempt, from, waited] = runs_.at(lane);
        to_->on_settled(
            {index, attempt, --in_flight_, what, e, retried, at - from, at, lane, waited, overloaded});
    }
    void reject(std::uint32_t lane, since_start at, bool retried = true) {
        end(lane, at, state::rejected, asio::error::connection_reset, retried);
    }

private:
    struct run {
        std::size_t index;
        std::uint32_t attempt;
        since_start at, waited;
    };
    recording* to_;
    std::map<std::uint32_t, run> runs_;
    std::size_t in_flight_ = 0;
};

std::string text(recording const& r, chrome_trace_options const& o = {}) {
    std::ostringstream out;
    fanout::write_chrome_trace(out, r, o);
    return out.str();
}

std::string string(json::value const& v) { return std::string(v.as_string()); }

/// A trace, as it is read.
class trace {
public:
    explicit trace(std::string const& text) : document_(json::parse(text).as_object()) {}
    explicit trace(recording const& r, chrome_trace_options const& o = {}) : trace(text(r, o)) {}

    json::object const& document() const { return document_; }
    json::array const& events() const { return document_.at("traceEvents").as_array(); }
    json::object const& summary(std::size_t i = 0) const {
        return document_.at("otherData").at("recordings").at(i).as_object();
    }
    /// Those of a phase, and of a name unless it is "".
    std::vector<json::object> all(std::string_view phase, std::string_view name = "") const {
        std::vector<json::object> out;
        for (auto const& e : events()) {
            if (string(e.at("ph")) == phase && (name.empty() || string(e.at("name")) == name)) {
                out.push_back(e.as_object());
            }
        }
        return out;
    }
    json::object one(std::string_view phase, std::string_view name) const {
        auto const found = all(phase, name);
        REQUIRE(found.size() == 1);
        return found.front();
    }

private:
    json::object document_;
};

double number(json::object const& e, std::string_view key) { return e.at(key).to_number<double>(); }
using row = std::pair<std::int64_t, std::int64_t>;
row row_of(json::object const& e) { return {e.at("pid").as_int64(), e.at("tid").as_int64()}; }

std::map<row, std::vector<json::object>> rows(trace const& t) {
    std::map<row, std::vector<json::object>> out;
    for (auto& e : t.all("X")) {
        out[row_of(e)].push_back(std::move(e));
    }
    return out;
}

/// Speedscope puts a row's slices onto a stack: what begins by time, the longer one first; what ends by time,
/// by sums of doubles, and of the same time what is on top first. Counts the ends that are not those of the
/// top.
struct stacked {
    std::size_t complaints = 0, deepest = 0;
};
stacked stack_up(std::vector<json::object> const& row_slices) {
    struct slice {
        double begin, lasts, end;
    };
    auto first = std::numeric_limits<double>::max();
    for (auto const& e : row_slices) {
        first = (std::min)(first, number(e, "ts"));
    }
    std::vector<slice> slices;
    for (auto const& e : row_slices) {
        auto const begin = number(e, "ts") - first, lasts = number(e, "dur");
        slices.push_back({begin, lasts, begin + lasts});
    }
    std::stable_sort(slices.begin(), slices.end(), [](slice const& a, slice const& b) {
        return std::tuple(a.begin, -a.lasts) < std::tuple(b.begin, -b.lasts);
    });
    std::vector<slice const*> ends, stack;
    for (auto const& s : slices) {
        ends.push_back(&s);
    }
    std::stable_sort(ends.begin(), ends.end(), [](auto* a, auto* b) { return a->end < b->end; });
    stacked out;
    auto begin = slices.begin();
    for (auto end = ends.begin(); end != ends.end();) {
        if (begin != slices.end() &&
            (begin->begin < (*end)->end || (begin->begin == (*end)->end && &*begin == *end))) {
            stack.push_back(&*begin++);
            out.deepest = (std::max)(out.deepest, stack.size());
            continue;
        }
        auto const same_time = [&](auto* s) { return s->end == (*end)->end; };
        if (auto const top = stack.empty() ? ends.end() : std::find(end, ends.end(), stack.back());
            top != ends.end() && same_time(*top)) {
            std::iter_swap(end, top);
            stack.pop_back();
        } else {
            ++out.complaints;
        }
        ++end;
    }
    return out;
}

std::int64_t nanoseconds(json::object const& e, std::string_view key) {
    return std::llround(number(e, key) * 1000.0);
}

/// Perfetto sorts what is in a file by nanoseconds, then by place, and binds both ends of an arrow to the
/// slice or instant of the row that began last. "from -> to" for each arrow, "?" where there is none.
std::vector<std::string> arrows(trace const& t) {
    std::vector<json::object> events;
    for (auto const& e : t.events()) {
        if (e.at("ph") != "M" && e.at("ph") != "C") {
            events.push_back(e.as_object());
        }
    }
    std::stable_sort(events.begin(), events.end(),
                     [](auto& a, auto& b) { return nanoseconds(a, "ts") < nanoseconds(b, "ts"); });
    std::map<row, json::object> latest;
    std::map<std::int64_t, std::pair<std::string, std::string>> ends;
    for (auto const& e : events) {
        auto const phase = e.at("ph").as_string();
        if (phase == "X" || (phase == "i" && e.at("s") == "t")) {
            latest[row_of(e)] = e;
        } else if (phase == "s" || phase == "f") {
            auto const slice = latest.find(row_of(e));
            REQUIRE(slice != latest.end());
            CHECK(number(e, "ts") >= number(slice->second, "ts"));
            auto const past = number(e, "ts") - number(slice->second, "ts") - number(slice->second, "dur");
            CHECK(past < 1e-6);
            auto& flow = ends[e.at("id").as_int64()];
            auto& end = phase == "s" ? flow.first : flow.second;
            CHECK(end.empty());
            if (phase == "f") {
                CHECK(e.at("bp") == "e");
                CHECK_FALSE(flow.first.empty()); // it is read after its beginning
            }
            end = string(slice->second.at("name"));
        }
    }
    std::vector<std::string> out;
    for (auto const& [id, flow] : ends) {
        out.push_back((flow.first.empty() ? "?" : flow.first) + " -> " +
                      (flow.second.empty() ? "?" : flow.second));
    }
    return out;
}
using arrow_list = std::vector<std::string>;

/// Five lanes that are never idle, with attempts of whole nanoseconds up to `longest`, or of none now and then.
void record_busy_lanes(recording& r, std::uint32_t longest, bool zeros) {
    teller tell(r, 1'000);
    std::minstd_rand random(longest);
    std::vector<since_start> free(5, 7ns);
    std::vector<std::pair<std::size_t, std::uint32_t>> rejected;
    std::size_t index = 0;
    while (index < 1'000) {
        auto const lane =
            static_cast<std::uint32_t>(std::min_element(free.begin(), free.end()) - free.begin());
        auto attempt = std::pair(index, 1U);
        if (!rejected.empty() && random() % 2 == 0) {
            attempt = rejected.back();
            ++attempt.second;
            rejected.pop_back();
        } else {
            ++index;
        }
        tell.start(attempt.first, attempt.second, free[lane], lane);
        free[lane] += zeros && random() % 3 == 0 ? 0ns : since_start(1 + random() % longest);
        if (random() % 3 == 0) {
            tell.reject(lane, free[lane]);
            rejected.push_back(attempt);
            // What runs next may be the same input.
            for (auto& f : free) {
                f = (std::max)(f, free[lane]);
            }
        } else {
            tell.end(lane, free[lane]);
        }
    }
}

struct comma_and_groups final : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

/// Takes so many characters, then no more.
class full_disk final : public std::streambuf {
public:
    explicit full_disk(std::size_t room) : room_(room) {}

private:
    int_type overflow(int_type c) override {
        return room_-- > 0 ? traits_type::not_eof(c) : (room_ = 0, traits_type::eof());
    }
    std::size_t room_;
};

class odd_category final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "odd"; }
    std::string message(int) const override { return "\"no\"\n\xFF"; }
};

} // namespace

TEST_CASE("a trace is an object of events, each with its phase, process, row and time") {
    recording r;
    teller tell(r, 2);
    tell.start(0, 1, 0ns, 0);
    tell.start(1, 1, 0ns, 3);
    tell.end(0, 1ms);
    tell.reject(3, 2ms, false);
    r.on_finished({0, 0, 2ms});
    trace const t(r, {.label = {}, .title = "two"});
    CHECK(t.document().at("displayTimeUnit") == "ms");
    CHECK(t.document().at("otherData").at("title") == "two");
    for (auto const& e : t.events()) {
        CAPTURE(json::serialize(e));
        auto const& o = e.as_object();
        CHECK(o.at("ph").as_string().size() == 1);
        CHECK_FALSE(o.at("name").as_string().empty());
        CHECK(o.at("pid") == 1);
        CHECK(o.at("tid").is_int64());
        CHECK((o.at("ph") == "M" || number(o, "ts") >= 0));
    }
    CHECK(t.one("M", "process_name").at("args").at("name") == "two");

    // Rows: Perfetto takes the tid 0, or that of the process, for something else.
    auto const names = t.all("M", "thread_name");
    auto const orders = t.all("M", "thread_sort_index");
    REQUIRE(names.size() == 2);
    REQUIRE(orders.size() == 2);
    CHECK(names[0].at("args").at("name") == "lane 0");
    CHECK(names[1].at("args").at("name") == "lane 3");
    CHECK(orders[1].at("args").at("sort_index") == 3);
    for (auto const& name : names) {
        CHECK(name.at("tid").as_int64() > 1);
    }
    CHECK(row_of(t.one("X", "#1")) == row_of(names[1]));
}

TEST_CASE("an attempt is a slice, to the nanosecond, with what became of it") {
    recording r;
    teller tell(r, 4);
    tell.start(17, 1, 1'234'567ns, 0, 34'567ns);
    tell.reject(0, 2'000'001ns);
    tell.start(17, 2, 3ms, 0);
    tell.end(0, 4ms);
    tell.start(18, 1, 5ms, 0);
    tell.end(0, 6ms, state::timed_out, fanout::make_error_code(fanout::errc::timed_out));
    tell.start(19, 1, 7ms, 0);
    tell.end(0, 8ms, state::cancelled, fanout::make_error_code(fanout::errc::cancelled_by_caller));
    auto const written = text(r);
    CHECK(written.find(R"("ts":1234.567,"dur":765.434,)") != std::string::npos);
    trace const t(written);
    auto const first = t.one("X", "#17"), second = t.one("X", "#17 (attempt 2)");
    auto const& args = first.at("args").as_object();
    CHECK(args.at("index") == 17);
    CHECK(args.at("attempt") == 1);
    CHECK(args.at("state") == "rejected");
    CHECK(string(args.at("error")) == error_code(asio::error::connection_reset).message());
    CHECK(number(args, "waited_us") == 34.567);
    CHECK(second.at("args").at("attempt") == 2);
    CHECK(second.at("args").at("state") == "fulfilled");
    CHECK_FALSE(second.at("args").as_object().contains("error"));
    CHECK(t.one("X", "#18").at("args").at("state") == "timed out");
    CHECK(t.one("X", "#19").at("args").at("state") == "cancelled");

    // A colour for each state; these are names that chrome://tracing knows, and it refuses others.
    std::set<std::string> colours;
    for (auto const& e : t.all("X")) {
        colours.insert(string(e.at("cname")));
    }
    CHECK(colours == std::set<std::string>{"terrible", "good", "bad", "generic_work"});
}

TEST_CASE("a child that still runs is a slice to the end of the recording") {
    recording r;
    teller tell(r, 3);
    tell.start(0, 1, 0ns, 0);
    tell.start(1, 1, 1ms, 1);
    tell.end(0, 5ms);
    tell.start(2, 1, 5ms, 0);
    trace const t(r);
    auto const running = t.one("X", "#1");
    CHECK(running.at("args").at("state") == "running");
    CHECK(running.at("cname") == "grey");
    CHECK(nanoseconds(running, "ts") == 1'000'000);
    CHECK(nanoseconds(running, "dur") == 4'000'000);
    CHECK(nanoseconds(t.one("X", "#2"), "dur") == 0);
    CHECK(t.all("i").empty()); // neither has been rejected
}

TEST_CASE(
    "slices of a row never overlap, not even in a reader's floating point, and are exact in nanoseconds") {
    for (auto const& [longest, zeros] :
         {std::pair(3U, false), std::pair(5'000U, false), std::pair(100'000'000U, false), std::pair(3U, true),
          std::pair(5'000U, true)}) {
        CAPTURE(longest);
        CAPTURE(zeros);
        recording r;
        record_busy_lanes(r, longest, zeros);
        trace const t(r);
        auto const found = rows(t);
        CHECK(found.size() == 5);
        for (auto const& [_, slices] : found) {
            auto const as_stack = stack_up(slices);
            CHECK(as_stack.complaints == 0);
            CHECK(as_stack.deepest == 1);
            // Nor for one that adds up times as they stand.
            for (std::size_t i = 1; i < slices.size(); ++i) {
                auto const end = number(slices[i - 1], "ts") + number(slices[i - 1], "dur");
                CHECK(end <= number(slices[i], "ts"));
            }
        }
        std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>> expected, seen;
        for (auto const& a : r.attempts()) {
            expected.emplace(a.index, a.number, a.start.count(), a.end.count());
        }
        for (auto const& e : t.all("X")) {
            auto const start = nanoseconds(e, "ts");
            auto const& args = e.at("args");
            seen.emplace(args.at("index").as_int64(), args.at("attempt").as_int64(), start,
                         start + nanoseconds(e, "dur"));
        }
        CHECK(seen == expected);
    }
}

TEST_CASE("a slice of no time that others meet has a place of its own") {
    recording r;
    teller tell(r, 4);
    since_start const at[] = {0ns, 3us, 3us, 3us, 5us};
    for (std::uint32_t i = 0; i < 4; ++i) {
        tell.start(i, 1, at[i], 0);
        tell.end(0, at[i + 1]);
    }
    auto const found = rows(trace(r));
    REQUIRE(found.size() == 1);
    auto const as_stack = stack_up(found.begin()->second);
    CHECK(as_stack.complaints == 0);
    CHECK(as_stack.deepest == 1);
}

TEST_CASE("an arrow leads from each attempt to the next one of its input") {
    recording r;
    teller tell(r, 2);
    tell.start(0, 1, 0ns, 0);
    tell.start(1, 1, 0ns, 1);
    tell.reject(0, 1ms);
    tell.reject(1, 1ms);
    tell.start(0, 2, 1ms, 1); // where another input's attempt has just ended
    tell.start(1, 2, 2ms, 0);
    tell.reject(1, 3ms);
    tell.start(0, 3, 3ms, 1);
    tell.end(0, 3ms);
    tell.end(1, 3'000'001ns); // as short as can be
    trace const t(r);
    CHECK(arrows(t) ==
          arrow_list{"#0 -> #0 (attempt 2)", "#0 (attempt 2) -> #0 (attempt 3)", "#1 -> #1 (attempt 2)"});
    // chrome://tracing takes the point where two slices meet for a part of the first.
    CHECK(number(t.all("f").front(), "ts") > number(t.one("X", "#0 (attempt 2)"), "ts"));
}

TEST_CASE("arrows hold on to attempts of no time, also where all happens at once") {
    recording r;
    teller tell(r, 1);
    for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
        auto const lane = 3 - attempt % 3;
        tell.start(0, attempt, 1ms, lane);
        tell.reject(lane, 1ms);
    }
    tell.start(0, 5, 1ms, 2);
    tell.end(2, 2ms, state::rejected, asio::error::connection_reset, false, true);
    CHECK(arrows(trace(r)) == arrow_list{"#0 -> #0 (attempt 2)", "#0 (attempt 2) -> #0 (attempt 3)",
                                         "#0 (attempt 3) -> #0 (attempt 4)",
                                         "#0 (attempt 4) -> #0 (attempt 5)"});
}

TEST_CASE("every arrow of busy lanes has both ends, at attempts of one input") {
    for (auto const zeros : {false, true}) {
        recording r;
        record_busy_lanes(r, 50, zeros);
        arrow_list expected;
        for (auto const& a : r.attempts()) {
            if (a.number > 1) {
                auto const input = '#' + std::to_string(a.index);
                auto const before =
                    a.number == 2 ? input : input + " (attempt " + std::to_string(a.number - 1) + ')';
                expected.push_back(before + " -> " + input + " (attempt " + std::to_string(a.number) + ')');
            }
        }
        CHECK(expected.size() > 100);
        CHECK(arrows(trace(r)) == expected);
    }
}

TEST_CASE("an input that slept and never ran again has no half of an arrow") {
    recording r;
    teller tell(r, 2);
    tell.start(0, 1, 0ns, 0);
    tell.start(1, 1, 0ns, 1);
    tell.reject(0, 1ms);
    r.on_retry({0, 1, 10ms, 1ms});
    tell.end(1, 2ms);
    r.on_stopped({stop_reason::deadline, false, 3ms});
    r.on_finished({0, 1, 3ms});
    trace const t(r);
    CHECK(t.all("X").size() == 2);
    CHECK(t.all("s").empty());
    CHECK(t.all("f").empty());
}

TEST_CASE("an attempt whose predecessor was dropped has no arrow, not even from another input") {
    recording r;
    teller tell(r, 3);
    tell.start(0, 1, 0ns, 0);
    tell.end(0, 1ms);
    tell.start(1, 2, 1ms, 0); // of its first one the recording knows nothing
    tell.reject(0, 2ms);
    tell.start(1, 4, 3ms, 0);
    tell.end(0, 4ms);
    trace const t(r);
    CHECK(t.all("X").size() == 3);
    CHECK(t.all("s").empty());
    CHECK(t.all("f").empty());
}

TEST_CASE("several recordings are several processes, with arrows of their own") {
    recording one, other;
    for (auto* r : {&one, &other}) {
        teller tell(*r, 1);
        tell.start(0, 1, 0ns, 0);
        tell.reject(0, 1ms);
        tell.start(0, 2, 2ms, 0);
        tell.end(0, 3ms);
    }
    named_recording const both[] = {{"sequential", one}, {"", other}};
    std::ostringstream out;
    fanout::write_chrome_trace(out, both);
    trace const t(out.str());
    CHECK(arrows(t).size() == 2);
    auto const names = t.all("M", "process_name");
    REQUIRE(names.size() == 2);
    CHECK(names[0].at("args").at("name") == "sequential");
    CHECK(names[1].at("args").at("name") == "fan-out"); // a viewer would complain of ""
    CHECK(names[0].at("pid") == 1);
    CHECK(names[1].at("pid") == 2);
    CHECK(rows(t).size() == 2);
    CHECK(t.summary(1).at("pid") == 2);

    // Each may name its inputs; the options name those of the others.
    std::ostringstream named_out;
    named_recording const named[] = {{"", one, [](std::size_t) { return std::string("mine"); }}, {"", other}};
    fanout::write_chrome_trace(named_out, named,
                               {.label = [](std::size_t) { return std::string("any"); }, .title = {}});
    auto const slices = trace(named_out.str()).all("X");
    REQUIRE(slices.size() == 4);
    CHECK(slices.front().at("name") == "mine");
    CHECK(slices.back().at("name") == "any (attempt 2)");

    // Not even the thousandth process has the number of a row.
    std::vector<named_recording> const many(1'000, named_recording{"one of many", one});
    out.str("");
    fanout::write_chrome_trace(out, many);
    trace const large(out.str());
    std::set<std::int64_t> pids, tids;
    for (auto const& e : large.all("X")) {
        pids.insert(e.at("pid").as_int64());
        tids.insert(e.at("tid").as_int64());
    }
    CHECK(pids.size() == 1'000);
    CHECK(*tids.begin() > *pids.rbegin());
}

TEST_CASE("names may hold anything") {
    odd_category const odd;
    recording r;
    teller tell(r, 2);
    tell.start(0, 1, 0ns, 0);
    tell.end(0, 1ms, state::rejected, error_code(1, odd), true);
    tell.start(1, 1, 1ms, 0);
    tell.end(0, 2ms);
    tell.start(0, 2, 3ms, 0);
    tell.end(0, 4ms);
    auto const label = [](std::size_t i) { return i == 0 ? "say \"hi\",\n\\ caf\xC3\xA9 \xC3(" : ""; };
    auto const written = text(r, {.label = label, .title = "a\"b\x01\xED\xA0\x80"});
    trace const t(written); // Boost.JSON refuses what is not UTF-8
    t.one("X", "say \"hi\",\n\\ caf\xC3\xA9 \xEF\xBF\xBD(");
    t.one("X", "say \"hi\",\n\\ caf\xC3\xA9 \xEF\xBF\xBD( (attempt 2)");
    t.one("X", "#1"); // an empty name is none
    CHECK(t.one("M", "process_name").at("args").at("name") == "a\"b\x01\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(t.one("i", "rejected").at("args").at("error") == "\"no\"\n\xEF\xBF\xBD");
}

TEST_CASE("what was in flight, the limit and the queue are tracks, with a point where they change") {
    recording r;
    teller tell(r, 3);
    r.on_limit({2, 0ns});
    tell.start(0, 1, 1us, 0);
    tell.start(1, 1, 2us, 1);
    tell.end(0, 3us);
    r.on_limit({1, 4us});
    r.on_limit({1, 5us});
    tell.end(1, 6us);
    trace const t(r);
    auto const track = [&t](std::string_view name) {
        std::string out;
        for (auto const& e : t.all("C", name)) {
            auto const& args = e.at("args").as_object();
            CHECK(args.size() == 1);
            out += std::to_string(nanoseconds(e, "ts")) + ':' +
                   std::to_string(args.begin()->value().as_int64()) + ' ';
        }
        return out;
    };
    CHECK(track("in_flight") == "0:0 1000:1 2000:2 3000:1 6000:0 ");
    CHECK(track("limit") == "0:2 4000:1 ");
    CHECK(track("queued") == "0:3 1000:2 2000:1 ");

    recording unlimited;
    teller(unlimited, 1).start(0, 1, 0ns, 0);
    CHECK(trace(unlimited).all("C", "limit").empty());
}

TEST_CASE(
    "a rejection, a timeout and an overload are instants on their row; a stop and a cancellation of all") {
    recording r;
    teller tell(r, 4);
    for (std::uint32_t lane = 0; lane < 4; ++lane) {
        tell.start(lane, 1, 0ns, lane);
    }
    tell.reject(0, 1ms, false);
    tell.end(1, 2ms, state::timed_out, fanout::make_error_code(fanout::errc::timed_out), false, true);
    r.on_stopped({stop_reason::rejection, false, 3ms});
    r.on_stopped({stop_reason::caller, true, 4ms});
    tell.end(2, 5ms, state::cancelled, fanout::make_error_code(fanout::errc::cancelled_by_caller));
    tell.end(3, 5ms);
    r.on_finished({0, 0, 5ms});
    trace const t(r);
    CHECK(t.all("i").size() == 5);
    auto const rejected = t.one("i", "rejected"), late = t.one("i", "timed out"),
               overload = t.one("i", "overload");
    for (auto const& [instant, slice, at] : {std::tuple(rejected, "#0", 1'000), std::tuple(late, "#1", 2'000),
                                             std::tuple(overload, "#1", 2'000)}) {
        CHECK(instant.at("s") == "t");
        CHECK(row_of(instant) == row_of(t.one("X", slice)));
        CHECK(number(instant, "ts") == at);
    }
    CHECK(string(rejected.at("args").at("error")) == error_code(asio::error::connection_reset).message());
    auto const stop = t.one("i", "stop: a child was rejected"), cancel = t.one("i", "cancel: by the caller");
    CHECK(stop.at("s") == "p");
    CHECK(number(stop, "ts") == 3'000);
    CHECK(cancel.at("s") == "p");
    CHECK(number(cancel, "ts") == 4'000);
}

TEST_CASE("a second call in a recording is seen to begin") {
    recording r;
    for (int call = 0; call < 2; ++call) {
        teller tell(r, 1);
        tell.start(0, 1, 0ns, 0);
        tell.end(0, 1ms);
        r.on_finished({0, 0, 1ms});
    }
    trace const t(r);
    CHECK(number(t.one("i", "begun"), "ts") == 1'000);
    CHECK(t.one("X", "#1").at("ts") == 1'000.0);
}

TEST_CASE("what was dropped is said, where the eye falls and in the file's data") {
    recording whole, thinned({.max_attempts = 8});
    for (auto* r : {&whole, &thinned}) {
        teller tell(*r, 60);
        for (std::size_t i = 0; i < 60; ++i) {
            tell.start(i, 1, since_start(i * 10), 0);
            tell.end(0, since_start(i * 10 + 10));
        }
    }
    trace const t(thinned);
    auto const slices = t.all("X").size();
    CHECK(thinned.every() > 1);
    auto const expected = "1 of " + std::to_string(thinned.every()) +
                          " inputs is shown, and some of those that were rejected or run again; attempts not "
                          "in this file: " +
                          std::to_string(60 - slices);
    auto const instant = t.one("i", expected);
    CHECK(instant.at("s") == "p");
    CHECK(number(instant, "ts") == 0);
    CHECK(string(t.summary().at("gaps")) == expected);
    CHECK(t.summary().at("dropped") == 60 - slices);
    CHECK(t.summary().at("every") == thinned.every());
    CHECK(t.summary().at("attempts") == 60);
    CHECK(t.summary().at("inputs") == 60);

    trace const all(whole);
    CHECK(all.all("i").empty());
    CHECK(all.summary().at("dropped") == 0);
    CHECK_FALSE(all.summary().contains("gaps"));
}

TEST_CASE("neither a locale nor the stream's format changes a byte" * doctest::skip(!test::has_rtti)) {
    recording r;
    record_busy_lanes(r, 1'000'000, false);
    auto const expected = text(r);

    std::locale const german(std::locale::classic(), new comma_and_groups);
    struct restore {
        std::locale before;
        ~restore() { std::locale::global(before); }
    } const restore{std::locale::global(german)};
    std::ostringstream out; // with the global locale
    out.width(30);
    out.fill('*');
    out << std::hex << std::showbase << std::scientific;
    fanout::write_chrome_trace(out, r);
    CHECK(out.str() == expected);
}

TEST_CASE("a stream that fails stays failed, without an exception, and is given up soon") {
    recording r;
    record_busy_lanes(r, 1'000, false);
    std::size_t labelled = 0;
    auto const label = [&labelled](std::size_t) {
        ++labelled;
        return std::string("x");
    };
    full_disk disk(5'000);
    std::ostream out(&disk);
    fanout::write_chrome_trace(out, r, {.label = label, .title = {}});
    CHECK(out.fail());
    CHECK(labelled < 100);
}

TEST_CASE("what is written is not gathered first") {
    recording r;
    record_busy_lanes(r, 1'000, false);
    std::ostringstream out;
    std::vector<std::streamoff> written;
    auto const label = [&](std::size_t) {
        written.push_back(out.tellp());
        return std::string();
    };
    fanout::write_chrome_trace(out, r, {.label = label, .title = {}});
    CHECK(written.front() > 0);
    CHECK(std::adjacent_find(written.begin(), written.end(), std::greater_equal<>()) == written.end());
}

TEST_CASE("a label that throws is passed on") {
    recording r;
    teller(r, 1).start(0, 1, 0ns, 0);
    auto const label = [](std::size_t) -> std::string { throw std::runtime_error("no name"); };
    CHECK_THROWS_WITH(text(r, {.label = label, .title = {}}), "no name");
}

TEST_CASE("nothing recorded, and no recording at all, are traces, too") {
    trace const nothing((recording()));
    CHECK(nothing.all("X").empty());
    CHECK(nothing.all("M").size() == 2);
    CHECK(nothing.one("M", "process_name").at("args").at("name") == "fan-out");

    std::ostringstream out;
    fanout::write_chrome_trace(out, std::span<named_recording const>());
    CHECK(trace(out.str()).events().empty());
}

TEST_CASE("a fan-out in virtual time: rows that do not overlap, and an arrow for each retry") {
    manual_clock::current = {};
    asio::io_context context(1);
    recording r;
    std::map<int, int> runs;
    auto const child = [&runs](int i) -> asio::awaitable<void> {
        auto const run = ++runs[i];
        if (i % 4 != 0) { // others take no time
            asio::basic_waitable_timer<manual_clock> timer(co_await asio::this_coro::executor, i * 1'003us);
            co_await timer.async_wait(asio::deferred);
        }
        if (i % 3 == 0 && run < 3) {
            throw std::runtime_error("not yet");
        }
    };
    std::vector<int> const inputs{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    auto const done =
        launch(context, fanout::retry_rejected(inputs, child, fanout::retry_policy{.backoff = fanout::none{}},
                                               fanout::basic_options<manual_clock>{}, fanout::limit(3), r));
    fanout::testing::run(context);
    REQUIRE(done->done);
    trace const t(r);
    CHECK(t.all("X").size() == inputs.size() + 10);
    CHECK(t.all("i", "rejected").size() == 10);
    auto const found = arrows(t);
    CHECK(found.size() == 10);
    CHECK(std::count(found.begin(), found.end(), "#9 (attempt 2) -> #9 (attempt 3)") == 1);
    auto const lanes = rows(t);
    CHECK(lanes.size() <= 3);
    for (auto const& [_, lane] : lanes) {
        CHECK(stack_up(lane).complaints == 0);
        CHECK(stack_up(lane).deepest == 1);
    }
}
