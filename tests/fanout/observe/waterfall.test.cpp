// SPDX-License-Identifier: BSL-1.0
#include <fanout/limit/window.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/observe/waterfall.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>

#include "../../support/harness.hpp"
#include "../../support/rtti.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <locale>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace test;
using fanout::recording;
using fanout::since_start;
using fanout::state;
using fanout::waterfall_options;
using timer = asio::basic_waitable_timer<manual_clock>;
using options = fanout::basic_options<manual_clock>;
using panels = std::vector<fanout::named_recording>;

/// An element of a picture.
struct element {
    std::string name, text; ///< the text in it, without that of its children
    std::map<std::string, std::string> attributes;
    std::vector<element> children;

    std::string operator[](std::string const& key) const {
        auto const found = attributes.find(key);
        return found == attributes.end() ? "" : found->second;
    }
    double number(std::string const& key) const { return std::stod((*this)[key]); }
    double right() const { return number("x") + number("width"); }
};

/// Reads XML as strictly as the specification asks, as far as the picture uses it; throws where it is not well-formed.
class xml_reader {
public:
    explicit xml_reader(std::string_view text) : rest_(text) {}

    element read() {
        auto root = read_element();
        require(rest_.empty() || rest_ == "\n", "something behind the root");
        return root;
    }

private:
    static void require(bool what, std::string const& why) {
        if (!what) {
            throw std::runtime_error("no XML: " + why);
        }
    }

    bool take(std::string_view what) {
        if (!rest_.starts_with(what)) {
            return false;
        }
        rest_.remove_prefix(what.size());
        return true;
    }

    std::string until(std::string_view ends) {
        auto const at = rest_.find_first_of(ends);
        require(at != rest_.npos, "it ends in the middle");
        auto const text = std::string(rest_.substr(0, at));
        rest_.remove_prefix(at);
        return text;
    }

    /// A well-formed UTF-8 character that XML allows.
    void take_character(std::string& to) {
        auto const lead = static_cast<unsigned char>(rest_.front());
        auto const length = lead < 0x80 ? 1U : lead >= 0xF0 ? 4U : lead >= 0xE0 ? 3U : 2U;
        require(rest_.size() >= length && (lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4)), "not UTF-8");
        require(lead >= 0x20 || lead == '\n', "a control character");
        for (std::size_t i = 1; i < length; ++i) {
            require((static_cast<unsigned char>(rest_[i]) & 0xC0) == 0x80, "not UTF-8");
        }
        to += rest_.substr(0, length);
        rest_.remove_prefix(length);
    }

    std::string read_text(char end) {
        std::string text;
        while (!rest_.empty() && rest_.front() != end) {
            require(rest_.front() != '<', "< in a value");
            if (!take("&")) {
                take_character(text);
                continue;
            }
            auto const name = until(";");
            take(";");
            static std::map<std::string, std::string> const entities{
                {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"#39", "'"}, {"#10", "\n"}};
            require(entities.count(name) == 1, "unknown entity " + name);
            text += entities.at(name);
        }
        require(!rest_.empty(), "it ends in the middle");
        return text;
    }

    element read_element() {
        require(take("<"), "no element");
        element e;
        e.name = until(" />\n");
        require(!e.name.empty() && e.name.find_first_of("<&\"'=") == e.name.npos, "a name " + e.name);
        while (take(" ") || take("\n")) {
            auto const key = until("=/> ");
            require(take("=\""), "no value of " + key);
            require(e.attributes.emplace(key, read_text('"')).second, "a second " + key);
            take("\"");
        }
        if (take("/>")) {
            return e;
        }
        require(take(">"), "a tag without end");
        for (;;) {
            e.text += read_text('<');
            if (take("</")) {
                require(until(">") == e.name, "the wrong end of " + e.name);
                take(">");
                return e;
            }
            e.children.push_back(read_element());
        }
    }

    std::string_view rest_;
};

std::string draw(panels const& what, waterfall_options const& how = {}) {
    std::ostringstream out;
    fanout::write_waterfall(out, what, how);
    REQUIRE(out.good());
    return out.str();
}

std::string draw(recording const& what, waterfall_options const& how = {}) {
    std::ostringstream out;
    fanout::write_waterfall(out, what, how);
    REQUIRE(out.good());
    return out.str();
}

element picture(auto const& what, waterfall_options const& how = {}) {
    auto const text = draw(what, how);
    return xml_reader(text).read();
}

void collect(element const& in, auto const& wanted, std::vector<element>& out) {
    if (wanted(in)) {
        out.push_back(in);
    }
    for (auto const& child : in.children) {
        collect(child, wanted, out);
    }
}

/// All elements with exactly these classes.
std::vector<element> all(element const& in, std::string const& classes) {
    std::vector<element> out;
    collect(in, [&](element const& e) { return e["class"] == classes; }, out);
    return out;
}

element one(element const& in, std::string const& classes) {
    auto const found = all(in, classes);
    INFO(classes);
    REQUIRE(found.size() == 1);
    return found.front();
}

std::vector<std::string> texts(std::vector<element> const& of) {
    std::vector<std::string> out;
    for (auto const& e : of) {
        out.push_back(e.text);
    }
    return out;
}

bool has_text(element const& in, std::string_view part) {
    std::vector<element> found;
    collect(
        in, [&](element const& e) { return e.name == "text" && e.text.find(part) != e.text.npos; }, found);
    return !found.empty();
}

std::vector<std::string> tick_texts(element const& in) {
    std::vector<element> found;
    collect(in, [](element const& e) { return e["text-anchor"] == "middle"; }, found);
    return texts(found);
}

void begin(recording& r, std::optional<std::size_t> inputs, std::optional<std::size_t> limit = {}) {
    r.on_begun({inputs});
    if (limit) {
        r.on_limit({*limit, since_start(0)});
    }
}

void start(recording& r, std::size_t index, since_start at, since_start waited = {},
           std::uint32_t attempt = 1, std::size_t in_flight = 1) {
    r.on_started({index, attempt, in_flight, at, static_cast<std::uint32_t>(index), waited});
}

void settle(recording& r, std::size_t index, since_start started, since_start at, since_start waited = {},
            state what = state::fulfilled, std::uint32_t attempt = 1, bool retried = false,
            std::size_t in_flight = 0) {
    auto const error = what == state::fulfilled   ? error_code()
                       : what == state::timed_out ? make_error_code(fanout::errc::timed_out)
                       : what == state::cancelled ? make_error_code(fanout::errc::cancelled_by_sibling)
                                                  : error_code(asio::error::eof);
    r.on_settled({index, attempt, in_flight, what, error, retried, at - started, at,
                  static_cast<std::uint32_t>(index), waited, false});
}

/// One child, from its start to its end.
void run_one(recording& r, std::size_t index, since_start ready, since_start from, since_start until,
             state what = state::fulfilled, std::uint32_t attempt = 1, bool retried = false) {
    start(r, index, from, from - ready, attempt);
    settle(r, index, from, until, from - ready, what, attempt, retried);
}

/// What `record_window` gave a row, in nanoseconds.
struct row_times {
    double ran = 0, waited = 0;
};

/// Inputs of about 5 ms each that run in a window; of each 100 the eighth is rejected. Sums up each `per_row` of them.
std::vector<row_times> record_window(recording& r, std::size_t inputs, std::size_t window,
                                     std::size_t per_row) {
    std::minstd_rand random(7);
    std::vector<since_start> free(window, since_start(0)); // when each lane is
    std::vector<row_times> sums((inputs + per_row - 1) / per_row);
    begin(r, inputs, window);
    for (std::size_t i = 0; i < inputs; ++i) {
        auto const lane = std::min_element(free.begin(), free.end());
        auto const from = *lane;
        *lane += std::chrono::microseconds(2'000 + random() % 6'000);
        r.on_started({i, 1, window, from, static_cast<std::uint32_t>(lane - free.begin()), from});
        auto const what = i % 100 == 7 ? state::rejected : state::fulfilled;
        r.on_settled({i,
                      1,
                      window - 1,
                      what,
                      {},
                      false,
                      *lane - from,
                      *lane,
                      static_cast<std::uint32_t>(lane - free.begin()),
                      from,
                      false});
        sums[i / per_row].ran += static_cast<double>((*lane - from).count());
        sums[i / per_row].waited += static_cast<double>(from.count());
    }
    r.on_finished({0, 0, *std::max_element(free.begin(), free.end())});
    return sums;
}

struct box {
    double left, right, top, bottom;

    double area() const { return (right - left) * (bottom - top); }
    bool within(element const& e) const {
        return left >= e.number("x") && right <= e.right() && top >= e.number("y") - 0.001 &&
               bottom <= e.number("y") + e.number("height") + 0.001;
    }
    bool overlaps(box const& b) const {
        auto const apart = 0.001;
        return left < b.right - apart && b.left < right - apart && top < b.bottom - apart &&
               b.top < bottom - apart;
    }
};

/// The boxes of a path: from the lower left corner to the right, up, and back.
std::vector<box> boxes(element const& path) {
    std::istringstream in(path["d"]);
    std::vector<box> out;
    auto x = 0.0, y = 0.0;
    for (char command = 0; in >> command;) {
        auto dx = 0.0, dy = 0.0, width = 0.0, up = 0.0, back = 0.0;
        std::array<char, 4> commands{};
        in >> dx >> dy >> commands[0] >> width >> commands[1] >> up >> commands[2] >> back >> commands[3];
        REQUIRE((command == 'm' || (command == 'M' && out.empty())));
        REQUIRE((std::string_view(commands.data(), 4) == "hvhz" && back == -width && width > 0 && up < 0));
        x += dx;
        y += dy;
        out.push_back({x, x + width, y + up, y});
    }
    return out;
}

double area(element const& row, std::string const& classes) {
    auto total = 0.0;
    for (auto const& path : all(row, classes)) {
        for (auto const& b : boxes(path)) {
            total += b.area();
        }
    }
    return total;
}

/// What the row's inputs do lies within the row, and nothing on something else.
void check_stacked(element const& row) {
    std::vector<box> drawn;
    for (auto const& path : row.children) {
        if (path.name == "path" && !path["class"].starts_with("some")) {
            auto const more = boxes(path);
            drawn.insert(drawn.end(), more.begin(), more.end());
        }
    }
    auto const plot = one(row, "hit");
    CHECK(std::all_of(drawn.begin(), drawn.end(), [&](box const& b) { return b.within(plot); }));
    std::size_t overlaps = 0;
    for (auto const& a : drawn) {
        overlaps += static_cast<std::size_t>(std::count_if(
            drawn.begin(), drawn.end(), [&a](box const& b) { return &a != &b && a.overlaps(b); }));
    }
    CHECK(overlaps == 0);
}

asio::awaitable<void> sleep_for(since_start d) {
    timer t(co_await asio::this_coro::executor, d);
    co_await t.async_wait(asio::deferred);
}

/// Compares with the file in golden/; with FANOUT_WRITE_GOLDEN set it writes the file instead.
void check_golden(std::string const& name, std::string const& text) {
    auto const path = std::filesystem::path(__FILE__).parent_path() / "golden" / name;
    if (std::getenv("FANOUT_WRITE_GOLDEN") != nullptr) {
        std::ofstream(path, std::ios::binary) << text;
        MESSAGE("written: " << path.string());
        return;
    }
    std::ifstream file(path, std::ios::binary);
    std::string const golden{std::istreambuf_iterator<char>(file), {}};
    auto const at = static_cast<std::size_t>(
        std::mismatch(text.begin(), text.end(), golden.begin(), golden.end()).first - text.begin());
    INFO("FANOUT_WRITE_GOLDEN=1 rewrites ", path.string());
    INFO("they differ from byte ", at, " on: ", text.substr(at - (std::min)(at, std::size_t{40}), 120));
    INFO("where the file has: ", golden.substr(at - (std::min)(at, std::size_t{40}), 120));
    CHECK(text.size() == golden.size());
    CHECK((text == golden));
}

using rgb = std::array<double, 3>;

/// The light of "#rrggbb".
rgb light_of(std::string const& colour) {
    rgb out{};
    for (std::size_t i = 0; i < 3; ++i) {
        auto const value = std::stoi(colour.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
        out[i] = value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
    }
    return out;
}

rgb times(std::array<rgb, 3> const& matrix, rgb const& v) {
    rgb out{};
    for (std::size_t i = 0; i < 3; ++i) {
        out[i] = matrix[i][0] * v[0] + matrix[i][1] * v[1] + matrix[i][2] * v[2];
    }
    return out;
}

double contrast(std::string const& a, std::string const& b) {
    auto const luminance = [](rgb const& v) { return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
    auto const [low, high] = std::minmax({luminance(light_of(a)), luminance(light_of(b))});
    return (high + 0.05) / (low + 0.05);
}

/// How people see colours: all of them, and those who see no red, green or blue (Machado, Oliveira, Fernandes 2009).
constexpr std::array<std::array<rgb, 3>, 4> eyes{
    {{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
     {{{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}},
     {{{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}},
     {{{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}}}}};

/// The distance of two colours in CIELAB; 2 is just visible side by side.
double difference(std::string const& a, std::string const& b, std::array<rgb, 3> const& eye) {
    auto const lab = [&eye](std::string const& colour) {
        auto seen = times(eye, light_of(colour));
        std::transform(seen.begin(), seen.end(), seen.begin(),
                       [](double v) { return std::clamp(v, 0.0, 1.0); });
        auto const xyz =
            times({{{0.4339, 0.3762, 0.1899}, {0.2126, 0.7152, 0.0722}, {0.0177, 0.1095, 0.8729}}}, seen);
        auto const f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
        return rgb{116 * f(xyz[1]) - 16, 500 * (f(xyz[0]) - f(xyz[1])), 200 * (f(xyz[1]) - f(xyz[2]))};
    };
    auto const p = lab(a), q = lab(b);
    return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

/// The colours of the classes, on a light and on a dark background.
std::array<std::map<std::string, std::string>, 2> colours_of(std::string const& text) {
    std::array<std::map<std::string, std::string>, 2> out;
    auto const dark_at = text.find("@media (prefers-color-scheme:dark)");
    REQUIRE(dark_at != std::string::npos);
    for (auto at = text.find("{color:#"); at != std::string::npos; at = text.find("{color:#", at + 1)) {
        auto const name = text.rfind('.', at) + 1;
        out[at > dark_at ? 1 : 0][text.substr(name, at - name)] = text.substr(at + 7, 7);
    }
    return out;
}

} // namespace

TEST_CASE("one after another above three at once: the picture is this, byte for byte") {
    manual_clock::current = {};
    asio::io_context context(1);
    auto failures = 0;
    auto const child = [&failures](int milliseconds) -> asio::awaitable<void> {
        co_await sleep_for(std::chrono::milliseconds(milliseconds));
        if (milliseconds == 40 && failures-- > 0) {
            throw boost::system::system_error(asio::error::eof);
        }
    };
    std::vector<int> const inputs{30, 20, 40, 20, 50, 30};
    recording sequential, fanned;
    auto const run_with = [&](std::size_t limit, recording& into) {
        failures = 1;
        auto const done = launch(
            context,
            fanout::retry_rejected(inputs, child,
                                   fanout::retry_policy{.max_attempts = 2, .backoff = fanout::constant{25ms}},
                                   fanout::limit(limit), options{}, into));
        fanout::testing::run(context);
        REQUIRE(done->done);
    };
    run_with(1, sequential);
    run_with(3, fanned);
    check_golden("sequential_and_fanned_out.svg",
                 draw(panels{{"One after another", sequential}, {"Three at once", fanned}},
                      {.title = "Six children"}));
}

TEST_CASE("when_all that fails fast: the picture is this, byte for byte") {
    manual_clock::current = {};
    asio::io_context context(1);
    auto const child = [](int milliseconds) -> asio::awaitable<void> {
        co_await sleep_for(std::chrono::milliseconds(milliseconds));
        if (milliseconds == 45) {
            throw boost::system::system_error(asio::error::eof);
        }
    };
    std::vector<int> const inputs{30, 20, 90, 45, 50, 30, 10, 10};
    recording rec;
    auto const done = launch(context, fanout::when_all(inputs, child, fanout::limit(3), options{}, rec));
    fanout::testing::run(context);
    REQUIRE(done->error);
    check_golden("failed_fast.svg", draw(rec, {.id_prefix = "failed"}));
}

TEST_CASE("a row is hatched while its input waits, solid while it runs, and a line while it sleeps") {
    recording r;
    begin(r, 1, 1);
    run_one(r, 0, 0ms, 10ms, 30ms, state::rejected, 1, true);
    r.on_retry({0, 1, 20ms, 30ms});
    run_one(r, 0, 50ms, 60ms, 100ms, state::fulfilled, 2);
    r.on_finished({0, 0, 100ms});
    auto const row = one(picture(r), "row");
    auto const plot = one(row, "hit");
    auto const at = [&](double ms) {
        return doctest::Approx(plot.number("x") + plot.number("width") * ms / 100);
    };
    auto const waits = all(row, "wait");
    REQUIRE(waits.size() == 2);
    CHECK(waits[0].number("x") == at(0));
    CHECK(waits[0].right() == at(10));
    CHECK(waits[1].number("x") == at(50));
    CHECK(waits[1].right() == at(60));
    CHECK(one(row, "run again").number("x") == at(10));
    CHECK(one(row, "run again").right() == at(30));
    CHECK(one(row, "sleep").number("x1") == at(30));
    CHECK(one(row, "sleep").number("x2") == at(50));
    CHECK(one(row, "run ok").number("x") == at(60));
    CHECK(one(row, "run ok").right() == at(100));
    CHECK(one(row, "retry again").number("x") == one(row, "run again").right() + 1);
    CHECK(one(row, "retry again")["href"] == "#fanout-retry");
    CHECK(one(row, "end ok")["href"] == "#fanout-ok");
    CHECK(texts(one(row, "run again").children) ==
          std::vector<std::string>{"to run again, rejected after 20 ms: End of file"});
}

TEST_CASE("each end has a bar, a glyph and a word of its own") {
    recording r;
    begin(r, 6);
    run_one(r, 0, 0ms, 0ms, 10ms);
    run_one(r, 1, 0ms, 0ms, 10ms, state::rejected);
    run_one(r, 2, 0ms, 0ms, 10ms, state::timed_out);
    run_one(r, 3, 0ms, 0ms, 10ms, state::cancelled);
    start(r, 4, 0ms);
    r.on_limit({6, 20ms}); // so that it is later
    auto const svg = picture(r);
    auto const rows = all(svg, "row");
    REQUIRE(rows.size() == 6);
    std::array<std::string, 6> const classes{"ok",        "rejected", "timed-out",
                                             "cancelled", "running",  "not-started"};
    std::array<std::string, 6> const words{"fulfilled", "rejected",      "timed out",
                                           "cancelled", "still running", "not started"};
    std::set<std::string> shapes;
    for (std::size_t i = 0; i < 6; ++i) {
        CAPTURE(classes[i]);
        CHECK(rows[i]["data-first"] == std::to_string(i));
        CHECK(one(rows[i], "end " + classes[i])["href"] == "#fanout-" + classes[i]);
        CHECK(all(rows[i], "run " + classes[i]).size() == (i == 5 ? 0U : 1U));
        CHECK(has_text(one(svg, "legend"), words[i]));
        CHECK(one(one(svg, "legend"), "end " + classes[i])["href"] == "#fanout-" + classes[i]);
        std::vector<element> symbol;
        collect(svg, [&](element const& e) { return e["id"] == "fanout-" + classes[i]; }, symbol);
        REQUIRE(symbol.size() == 1);
        std::string shape;
        for (auto const& part : symbol[0].children) {
            shape += part["d"] + '/' + part["r"] + ' ';
        }
        CHECK(shapes.insert(shape).second);
    }
    CHECK(has_text(svg, "6 children: "));
    CHECK(has_text(svg, "1 not ended"));
}

TEST_CASE(
    "an input that was to run again when the fan-out was stopped is rejected; before, it is still running") {
    recording r;
    begin(r, 1);
    run_one(r, 0, 0ms, 0ms, 10ms, state::rejected, 1, true);
    CHECK(all(one(picture(r), "row"), "end running").size() == 1);
    r.on_stopped({fanout::stop_reason::caller, false, 10ms});
    r.on_finished({0, 1, 10ms});
    auto const row = one(picture(r), "row");
    CHECK(all(row, "end rejected").size() == 1);
    CHECK(all(row, "run again").size() == 1);
    CHECK(all(row, "retry again").size() == 1);
}

TEST_CASE("panels have one time axis: what takes a tenth of the time is a tenth as wide") {
    recording slow, fast;
    begin(slow, 1, 1);
    run_one(slow, 0, 0s, 0s, 10s);
    slow.on_finished({0, 0, 10s});
    begin(fast, 1, 1);
    run_one(fast, 0, 0s, 0s, 1s);
    fast.on_finished({0, 0, 1s});
    auto const svg = picture(panels{{"slow", slow}, {"fast", fast}});
    auto const drawn = all(svg, "panel");
    REQUIRE(drawn.size() == 2);
    CHECK(texts(all(svg, "name ink")) == std::vector<std::string>{"slow", "fast"});
    auto const whole = one(drawn[0], "run ok"), tenth = one(drawn[1], "run ok");
    CHECK(whole.number("x") == tenth.number("x"));
    CHECK(tenth.number("width") * 10 == doctest::Approx(whole.number("width")));
    auto const labels = tick_texts(svg);
    CHECK(std::vector(labels.begin(), labels.begin() + 6) ==
          std::vector<std::string>{"0", "2 s", "4 s", "6 s", "8 s", "10 s"});
    CHECK(labels.size() == 12);
    CHECK(has_text(drawn[1], "done: 1 s"));
    CHECK(one(drawn[1], "facts ink").text ==
          "1 child: 1 fulfilled; 1 s; parallelism 1.0; at most 1 in flight");
}

TEST_CASE("the numbers of each panel are those of the whole recording") {
    recording r(recording::options{.max_attempts = 10});
    begin(r, 1'000, 64);
    for (std::size_t i = 0; i < 1'000; ++i) {
        start(r, i, i * 1ms, i * 1ms);
        settle(r, i, i * 1ms, i * 1ms + 1ms, {}, i % 100 == 0 ? state::rejected : state::fulfilled);
    }
    r.on_finished({0, 0, 1s});
    auto const svg = picture(r);
    CHECK(one(svg, "facts ink").text ==
          "1,000 children: 990 fulfilled, 10 rejected; 1 s; parallelism 1.0; at most 1 in flight");
    CHECK(one(svg, "notes faint").text ==
          "each row is 200 inputs; the higher a part of it, the more of them; "
          "1 input in 128 is drawn; 990 attempts were not recorded");
}

TEST_CASE("in-flight is a step area against the limit, which is a line") {
    recording r;
    begin(r, 2, 4);
    start(r, 0, 0ms, {}, 1, 1);
    start(r, 1, 10ms, 10ms, 1, 2);
    r.on_limit({2, 20ms});
    settle(r, 0, 0ms, 30ms, {}, state::fulfilled, 1, false, 1);
    settle(r, 1, 10ms, 40ms, 10ms, state::fulfilled, 1, false, 0);
    r.on_finished({0, 0, 40ms});
    auto const svg = picture(r, {.width = 1'000});
    auto const plot = all(svg, "hit").front();
    auto const x = [&](double ms) {
        std::ostringstream out;
        out << std::round(100 * (plot.number("x") + plot.number("width") * ms / 40)) / 100;
        return out.str();
    };
    auto const d = one(svg, "limit ink")["d"];
    auto const top = d.substr(d.find(' ') + 1, d.find('H') - d.find(' ') - 1);
    auto const bottom = std::stod(top) + 44, half = std::stod(top) + 22, quarter = std::stod(top) + 33;
    auto const text = [](double y) {
        std::ostringstream out;
        out << y;
        return out.str();
    };
    CHECK(d == "M" + x(0) + " " + top + "H" + x(20) + "V" + text(half) + "H" + x(40));
    auto const area_of = "M" + x(0) + " " + text(bottom) + "V" + text(quarter) + "H" + x(10) + "V" +
                         text(half) + "H" + x(30) + "V" + text(quarter) + "H" + x(40) + "V" + text(bottom) +
                         "z";
    CHECK(one(svg, "mean ok")["d"] == area_of);
    CHECK(one(svg, "most ok")["d"] == area_of);
    CHECK(has_text(svg, "limit 2"));
}

TEST_CASE("what is in flight for less than a pixel counts for as much in the mean, and in full in the most") {
    recording r;
    begin(r, {}, 4);
    for (std::size_t i = 0; i < 2'000; ++i) { // half of the time one
        start(r, i % 4, i * 1ms);
        settle(r, i % 4, i * 1ms, i * 1ms + 500us);
    }
    r.on_finished({0, 0, 2s});
    auto const svg = picture(r, {.width = 600});
    auto const limit = one(svg, "limit ink")["d"];
    auto const top = std::stod(limit.substr(limit.find(' ') + 1));
    auto const mean = one(svg, "mean ok")["d"], most = one(svg, "most ok")["d"];
    CHECK(std::stod(most.substr(most.find('V') + 1)) == doctest::Approx(top + 33)); // 1 of 4
    CHECK(std::abs(std::stod(mean.substr(mean.find('V') + 1)) - (top + 38.5)) < 1.5);
}

TEST_CASE("without a limit there is no line, and one far above is only named") {
    recording unlimited, far;
    begin(unlimited, 1);
    run_one(unlimited, 0, 0ms, 0ms, 1ms);
    CHECK(all(picture(unlimited), "limit ink").empty());
    CHECK(!has_text(picture(unlimited), "limit"));
    begin(far, 1, 1'000);
    run_one(far, 0, 0ms, 0ms, 1ms);
    CHECK(all(picture(far), "limit ink").empty());
    CHECK(has_text(picture(far), "limit 1,000 \xE2\x86\x91"));
}

TEST_CASE("where the fan-out was stopped, cancelled and done there are lines that say why") {
    recording r;
    begin(r, 3, 1);
    run_one(r, 0, 0ms, 0ms, 10ms);
    r.on_stopped({fanout::stop_reason::rejection, false, 10ms});
    r.on_stopped({fanout::stop_reason::caller, true, 20ms});
    r.on_finished({2, 0, 40ms});
    auto const svg = picture(r);
    auto const plot = all(svg, "hit").front();
    auto const x_of = [](element const& line) { return std::stod(line["d"].substr(1)); };
    CHECK(x_of(one(svg, "stop rejected")) == doctest::Approx(plot.number("x") + plot.number("width") / 4));
    CHECK(x_of(one(svg, "cancel rejected")) == doctest::Approx(plot.number("x") + plot.number("width") / 2));
    CHECK(x_of(one(svg, "done faint")) == doctest::Approx(plot.number("x") + plot.number("width")));
    CHECK(has_text(svg, "stopped: a child was rejected"));
    CHECK(has_text(svg, "cancelled: by the caller"));
    CHECK(has_text(svg, "done: 40 ms"));
    CHECK(one(svg, "facts ink").text ==
          "3 children: 1 fulfilled, 2 not started; 40 ms; parallelism 0.25; at most 1 in flight");
}

TEST_CASE("stopped and cancelled at once is one line") {
    recording r;
    begin(r, 1);
    run_one(r, 0, 0ms, 0ms, 10ms);
    r.on_stopped({fanout::stop_reason::deadline, false, 10ms});
    r.on_stopped({fanout::stop_reason::deadline, true, 10ms});
    r.on_finished({0, 0, 20ms});
    auto const svg = picture(r);
    CHECK(all(svg, "stop rejected").empty());
    CHECK(all(svg, "cancel rejected").size() == 1);
    CHECK(has_text(svg, "cancelled: by its deadline"));
}

TEST_CASE("of 10,000 children each row is 200, and the picture stays below 300 kB") {
    recording sequential, fanned;
    record_window(sequential, 10'000, 1, 200);
    record_window(fanned, 10'000, 64, 200);
    auto const text = draw(panels{{"one after another", sequential}, {"64 at once", fanned}});
    CHECK(text.size() < 300'000);
    auto const svg = xml_reader(text).read();
    CHECK(all(svg, "row").size() == 100);
    CHECK(all(svg, "row")[1]["data-first"] == "200");
    CHECK(all(svg, "row")[1]["data-inputs"] == "200");
    CHECK(has_text(svg, "each row is 200 inputs"));
    auto const counts = texts(all(svg, "count faint")); // two of 200 were rejected
    CHECK(counts.size() == 100);
    CHECK(std::count(counts.begin(), counts.end(), "2") == 100);
    CHECK(all(svg, "end rejected").size() == 101); // and the legend
}

TEST_CASE("the solid and the hatched area of each row are the times that its inputs ran and waited") {
    for (std::size_t const window : {1U, 64U, 700U}) {
        CAPTURE(window);
        recording r;
        auto const times = record_window(r, 2'000, window, 50);
        auto const svg = picture(r);
        auto const rows = all(svg, "row");
        REQUIRE(rows.size() == times.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            CAPTURE(i);
            auto const plot = one(rows[i], "hit");
            auto const width = plot.number("width");
            auto const per_ns = width * plot.number("height") / (50 * static_cast<double>(r.end().count()));
            // Each edge is rounded to a hundredth of a pixel.
            CHECK(area(rows[i], "run ok") + area(rows[i], "run rejected") ==
                  doctest::Approx(times[i].ran * per_ns).epsilon(0).scale(1).epsilon(0.005 * width));
            CHECK(area(rows[i], "wait") ==
                  doctest::Approx(times[i].waited * per_ns).epsilon(0).scale(1).epsilon(0.01 * width));
            check_stacked(rows[i]);
        }
    }
}

TEST_CASE("where few of a row's inputs run, a line says that some do") {
    recording r;
    begin(r, 1'000, 1);
    for (std::size_t i = 0; i < 1'000; ++i) {
        start(r, i, i * 1ms, i * 1ms);
        settle(r, i, i * 1ms, i * 1ms + 1ms, i * 1ms);
    }
    r.on_finished({0, 0, 1s});
    auto const svg = picture(r);
    auto const rows = all(svg, "row");
    REQUIRE(rows.size() == 50);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto const plot = one(rows[i], "hit");
        auto const d = one(rows[i], "some ok")["d"];
        auto const begins = plot.number("x") + plot.number("width") * static_cast<double>(i) / 50;
        CHECK(std::abs(std::stod(d.substr(1)) - begins) <= 2);
        CHECK(area(rows[i], "some ok") == doctest::Approx(2 * plot.number("width") / 50).epsilon(0.3));
    }
    CHECK(has_text(one(svg, "legend"), "at least one runs"));
}

TEST_CASE("rows are never more than the limit, whatever the number of inputs") {
    for (std::size_t const inputs : {1U, 119U, 120U, 121U, 599U, 1'000U, 1'201U, 30'001U}) {
        CAPTURE(inputs);
        recording r;
        begin(r, inputs);
        for (std::size_t i = 0; i < inputs; ++i) {
            run_one(r, i, 0us, i * 1us, i * 1us + 3us);
        }
        auto const rows = all(picture(r), "row");
        CHECK(rows.size() <= (inputs <= 120 ? 120U : 60U));
        std::size_t sum = 0;
        for (auto const& row : rows) {
            CHECK(row["data-first"] == std::to_string(sum));
            sum += static_cast<std::size_t>(row.number("data-inputs"));
        }
        CHECK(sum == inputs);
        CHECK(all(picture(r, {.max_rows = 20}), "row").size() <= 20);
    }
    recording wrong;
    run_one(wrong, SIZE_MAX - 1, 0us, 1us, 3us); // an index that is none
    CHECK(all(picture(wrong), "row").size() <= 60);
}

TEST_CASE("10,000 children that run, fail and sleep at random stay below 300 kB") {
    recording r;
    std::minstd_rand random(3);
    begin(r, 10'000);
    for (std::size_t i = 0; i < 10'000; ++i) {
        since_start at{};
        for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
            auto const from = at + std::chrono::microseconds(random() % 100'000);
            auto const until = from + std::chrono::microseconds(random() % 100'000);
            auto const last = attempt == 4 || random() % 3 == 0;
            run_one(r, i, at, from, until, last && random() % 2 == 0 ? state::fulfilled : state::rejected,
                    attempt, !last);
            if (last) {
                break;
            }
            at = until + std::chrono::microseconds(random() % 200'000);
        }
    }
    r.on_finished({0, 0, 2s});
    CHECK(draw(r).size() < 300'000);
}

TEST_CASE("inputs beyond those that ran are counted, not drawn, where they are many") {
    recording r;
    begin(r, 1'000'000, 2);
    for (std::size_t i = 0; i < 10; ++i) {
        run_one(r, i, 0ms, i * 1ms, i * 1ms + 1ms);
    }
    r.on_stopped({fanout::stop_reason::caller, false, 10ms});
    r.on_finished({999'990, 0, 10ms});
    auto const svg = picture(r);
    CHECK(all(svg, "row").size() == 10);
    CHECK(has_text(svg, "999,990 more, not started"));
    CHECK(has_text(svg, "1,000,000 children: 10 fulfilled, 999,990 not started"));
}

TEST_CASE("a recording that kept each 16th input says so, and its shares are those of the kept") {
    recording r(recording::options{.max_attempts = 1'000});
    begin(r, {}, 1); // a source of unknown length
    for (std::size_t i = 0; i < 10'000; ++i) {
        auto const odd = i % 1'000 == 3; // no multiple of 16, but kept all the same
        run_one(r, i, 0ms, odd ? 100ms : 0ms, odd ? 200ms : 100ms, odd ? state::rejected : state::fulfilled);
    }
    r.on_finished({0, 0, 200ms});
    REQUIRE(r.every() == 16);
    auto const svg = picture(r);
    CHECK(has_text(svg, "each row is 200 inputs"));
    CHECK(has_text(svg, "1 input in 16 is drawn; 9,"));
    auto const rows = all(svg, "row");
    REQUIRE(rows.size() == 50);
    for (auto const& row : rows) {
        auto const plot = one(row, "hit"); // all run in the first half of the time
        CHECK(area(row, "run ok") ==
              doctest::Approx(plot.number("width") * plot.number("height") / 2).epsilon(0.001));
        CHECK(area(row, "run rejected") == 0);
        CHECK(all(row, "end not-started").empty());
    }
    CHECK(all(rows[1], "end ok").size() == 1);
    CHECK(all(rows[1], "count faint").empty());
    CHECK(one(rows[5], "end rejected")["href"] == "#fanout-rejected");
    CHECK(one(rows[5], "count faint").text == "\xE2\x89\xA5"
                                              "1");
}

TEST_CASE(
    "of a recording that kept each 16th input, those that were not started are counted among the kept") {
    recording r(recording::options{.max_attempts = 1'000});
    begin(r, 10'000);
    for (std::size_t i = 0; i < 10'000; ++i) {
        if (i < 9'000 || i % 16 == 3) {
            run_one(r, i, 0ms, 0ms, 10ms, i < 9'000 ? state::fulfilled : state::rejected);
        }
    }
    r.on_finished({938, 0, 10ms});
    REQUIRE(r.every() == 16);
    auto const rows = all(picture(r), "row");
    REQUIRE(rows.size() == 50);
    // From 9,200 to 9,399 there are 13 multiples of 16, and as many numbers that are 3 more.
    CHECK(rows[46].children[0].text == "#9,200 to #9,399: 13 not started, 13 rejected");
}

TEST_CASE("too many attempts for bars are drawn as shares of the time") {
    recording r;
    begin(r, 1);
    for (std::uint32_t i = 1; i <= 2'000; ++i) {
        run_one(r, 0, i * 2ms, i * 2ms, i * 2ms + 1ms, state::rejected, i, i < 2'000);
    }
    r.on_finished({0, 0, 4'002ms});
    auto const text = draw(r);
    CHECK(text.size() < 100'000);
    auto const row = one(xml_reader(text).read(), "row");
    auto const plot = one(row, "hit");
    CHECK(area(row, "run again") ==
          doctest::Approx(plot.number("width") * plot.number("height") * 1'999 / 4'002).epsilon(0.01));
}

TEST_CASE("nothing, an instant, and an hour can be drawn") {
    recording nothing;
    CHECK(all(picture(nothing), "row").empty());
    CHECK(one(picture(nothing), "facts ink").text == "no children");
    CHECK(tick_texts(picture(nothing)) == std::vector<std::string>{"0"});
    CHECK(all(picture(panels{}), "panel").empty());

    recording no_inputs;
    begin(no_inputs, 0, 5);
    no_inputs.on_finished({0, 0, 0ms});
    CHECK(one(picture(no_inputs), "facts ink").text == "no children");

    recording instant;
    begin(instant, 1, 1);
    run_one(instant, 0, 0ms, 0ms, 0ms);
    instant.on_finished({0, 0, 0ms});
    auto const bar = one(one(picture(instant), "row"), "run ok");
    CHECK(bar.number("width") == 1);
    CHECK(bar.number("x") == one(picture(instant), "hit").number("x"));

    recording instants;
    begin(instants, 500);
    for (std::size_t i = 0; i < 500; ++i) {
        run_one(instants, i, 0ms, 0ms, 0ms);
    }
    instants.on_finished({0, 0, 0ms});
    auto const rows = all(picture(instants), "row");
    CHECK(rows.size() == 50);
    CHECK(all(rows[49], "some ok").size() == 1);

    recording hours;
    begin(hours, 1);
    run_one(hours, 0, 0h, 1h, 5h);
    hours.on_finished({0, 0, 5h});
    CHECK(tick_texts(picture(hours)) == std::vector<std::string>{"0", "1 h", "2 h", "3 h", "4 h", "5 h"});
    CHECK(has_text(picture(hours), "done: 5 h"));
}

TEST_CASE("ticks are round, few, and in a unit that people read") {
    std::vector<std::pair<since_start, std::vector<std::string>>> const expected{
        {40ns, {"0", "0.005 \xC2\xB5s", "0.04 \xC2\xB5s"}},
        {900ns, {"0", "0.1 \xC2\xB5s", "0.9 \xC2\xB5s"}},
        {7us, {"0", "1 \xC2\xB5s", "7 \xC2\xB5s"}},
        {1'300us, {"0", "0.2 ms", "1.2 ms"}},
        {86ms, {"0", "10 ms", "80 ms"}},
        {1s, {"0", "0.2 s", "1 s"}},
        {16s, {"0", "2 s", "16 s"}},
        {59s, {"0", "10 s", "50 s"}},
        {2min, {"0", "15 s", "120 s"}},
        {200s, {"0", "30 s", "180 s"}},
        {10min, {"0", "2 min", "10 min"}},
        {50min, {"0", "10 min", "50 min"}},
        {3h, {"0", "30 min", "180 min"}},
        {20h, {"0", "3 h", "18 h"}},
        {240h, {"0", "48 h", "240 h"}},
    };
    for (auto const& [span, wanted] : expected) {
        recording r;
        begin(r, 1);
        run_one(r, 0, 0ms, 0ms, span);
        r.on_finished({0, 0, span});
        auto const labels = tick_texts(picture(r));
        CAPTURE(wanted[1]);
        CHECK(labels.size() <= 10);
        CHECK(labels.size() >= 4);
        CHECK(std::vector<std::string>{labels[0], labels[1], labels.back()} == wanted);
    }
}

TEST_CASE("names of any bytes stand in the picture as they are, and what is no UTF-8 becomes U+FFFD") {
    recording r;
    begin(r, 2);
    run_one(r, 0, 0ms, 0ms, 1ms);
    run_one(r, 1, 0ms, 0ms, 1ms);
    std::string const odd = "<&\"'>\xC3\xBC \xFF\xC3";
    std::string const seen = "<&\"'>\xC3\xBC \xEF\xBF\xBD\xEF\xBF\xBD";
    auto const svg =
        picture(panels{{odd, r}},
                {.title = odd, .label = [&](std::size_t i) {
                     return i == 0 ? odd : "\xC3\xA4 name that is much longer than there is room for";
                 }});
    CHECK(one(svg, "title ink").text == seen);
    CHECK(one(svg, "name ink").text == seen);
    CHECK(svg.children[0].text == seen);
    CHECK(svg.children[1].text.starts_with(seen + ": 2 children"));
    CHECK(has_text(svg, seen));
    CHECK(has_text(svg, "\xC3\xA4 name that is much lon\xE2\x80\xA6"));
    CHECK(all(svg, "row")[0].children[0].text == seen + ": fulfilled");
    CHECK(all(svg, "row")[1].children[0].text.find("room for: fulfilled") != std::string::npos);
}

TEST_CASE("a recording's own names come before those of the picture") {
    recording r;
    begin(r, 1);
    run_one(r, 0, 0ms, 0ms, 1ms);
    auto const own = [](std::size_t i) { return "own " + std::to_string(i); };
    auto const other = [](std::size_t i) { return "other " + std::to_string(i); };
    auto const svg = picture(panels{{"a", r, own}, {"b", r}}, {.label = other});
    CHECK(has_text(all(svg, "panel")[0], "own 0"));
    CHECK(has_text(all(svg, "panel")[1], "other 0"));
}

TEST_CASE("where naming an input throws, nothing is written") {
    recording r;
    begin(r, 1);
    run_one(r, 0, 0ms, 0ms, 1ms);
    std::ostringstream out;
    waterfall_options const throws{
        .label = [](std::size_t) -> std::string { throw std::runtime_error("none"); }};
    CHECK_THROWS_AS(fanout::write_waterfall(out, r, throws), std::runtime_error);
    CHECK(out.str().empty());
}

TEST_CASE("two pictures can stand in one page: all ids and rules begin with the prefix") {
    recording r;
    begin(r, 2, 1);
    run_one(r, 0, 0ms, 0ms, 10ms, state::rejected, 1, true);
    run_one(r, 0, 20ms, 25ms, 30ms, state::fulfilled, 2);
    auto const text = draw(r, {.id_prefix = "chart-2"});
    auto const svg = xml_reader(text).read();
    std::vector<element> elements;
    collect(svg, [](element const&) { return true; }, elements);
    std::set<std::string> ids;
    for (auto const& e : elements) {
        if (!e["id"].empty()) {
            CHECK(ids.insert(e["id"]).second);
            CHECK(e["id"].starts_with("chart-2"));
        }
    }
    for (auto const& e : elements) {
        if (e.name == "use") {
            CHECK(ids.count(e["href"].substr(1)) == 1);
        }
        if (e.name == "style") {
            std::istringstream lines(e.text);
            for (std::string line; std::getline(lines, line);) {
                CHECK((line.empty() || line.starts_with("#chart-2 ") || line.starts_with("@media") ||
                       line == "}"));
            }
            CHECK(e.text.find("url(#chart-2-hatch)") != std::string::npos);
        }
        CHECK(e.name != "script");
    }
    CHECK(ids.count("chart-2-hatch") == 1);
    CHECK(svg["role"] == "img");
    CHECK(svg["aria-labelledby"] == "chart-2-title chart-2-desc");
    CHECK(ids.count("chart-2-title") + ids.count("chart-2-desc") == 2);
    // The one address is the name of the namespace, which nobody opens.
    CHECK(text.find("http", text.find("http") + 1) == std::string::npos);
    CHECK(svg["xmlns"] == "http://www.w3.org/2000/svg");
}

TEST_CASE("options out of range are refused, and nothing is written") {
    std::ostringstream out;
    recording const r;
    for (auto const& prefix : {"", "2", "a b", "a\"", "\xC3\xA4", "-a"}) {
        CHECK_THROWS_AS(fanout::write_waterfall(out, r, {.id_prefix = prefix}), std::invalid_argument);
    }
    CHECK_THROWS_AS(fanout::write_waterfall(out, r, {.width = 479}), std::invalid_argument);
    CHECK_THROWS_AS(fanout::write_waterfall(out, r, {.width = 10'001}), std::invalid_argument);
    CHECK_THROWS_AS(fanout::write_waterfall(out, r, {.max_rows = 1}), std::invalid_argument);
    CHECK_THROWS_AS(fanout::write_waterfall(out, r, {.max_rows = 1'001}), std::invalid_argument);
    CHECK(out.str().empty());
}

TEST_CASE("the picture has the width that was asked for, and nothing is drawn outside of it") {
    recording r;
    record_window(r, 300, 8, 5);
    for (std::size_t const width : {480U, 1'000U, 3'000U}) {
        auto const svg = picture(r, {.width = width});
        CHECK(svg["viewBox"] == "0 0 " + std::to_string(width) + " " + svg["height"]);
        std::vector<element> boxes;
        collect(
            svg,
            [](element const& e) { return e.name != "pattern" && !e["width"].empty() && !e["x"].empty(); },
            boxes);
        for (auto const& box : boxes) {
            CHECK(box.right() <= static_cast<double>(width));
            CHECK(box.number("y") + box.number("height") <= svg.number("height"));
        }
        CHECK(one(all(svg, "row")[0], "hit").number("width") > 0.7 * static_cast<double>(width) - 10);
    }
}

TEST_CASE("colours have a contrast of 3 : 1 to their background, light and dark") {
    auto const schemes = colours_of(draw(recording()));
    CHECK(schemes[0].size() == schemes[1].size());
    for (auto const& scheme : schemes) {
        REQUIRE(scheme.size() >= 12);
        for (auto const& [name, colour] : scheme) {
            if (name != "paper" && name != "grid") {
                CAPTURE(name);
                CHECK(contrast(colour, scheme.at("paper")) >= 3);
            }
        }
    }
}

TEST_CASE("who sees no red, green or blue can tell the states by their colours, too") {
    std::vector<std::string> const states{"ok", "running", "cancelled", "timed-out", "rejected", "again"};
    for (auto const& scheme : colours_of(draw(recording()))) {
        for (auto const& a : states) {
            for (auto const& b : states) {
                for (std::size_t eye = 0; eye < eyes.size() && a < b; ++eye) {
                    CAPTURE(a);
                    CAPTURE(b);
                    CAPTURE(eye);
                    CHECK(difference(scheme.at(a), scheme.at(b), eyes[eye]) >= 14);
                }
            }
        }
    }
}

TEST_CASE("rows have tooltips where they are few") {
    recording r;
    begin(r, 150);
    for (std::size_t i = 0; i < 150; ++i) {
        run_one(r, i, 0ms, 0ms, 10ms);
    }
    CHECK(all(picture(r, {.max_rows = 150}), "hit").size() == 150);
    auto const twice = picture(panels{{"a", r}, {"b", r}}, {.max_rows = 150});
    CHECK(all(twice, "hit").empty());
    CHECK(all(twice, "row").size() == 300);
    CHECK(all(twice, "row")[0].children[0].name != "title");
}

TEST_CASE("neither the locale nor the stream's flags change the picture" * doctest::skip(!test::has_rtti)) {
    struct odd_numbers : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\1"; }
    };
    recording r;
    record_window(r, 1'500, 16, 50);
    auto const plain = draw(r);
    std::locale const odd(std::locale::classic(), new odd_numbers);
    auto const before = std::locale::global(odd);
    std::ostringstream out;
    out.imbue(odd);
    out << std::hex << std::showbase << std::setw(40) << std::setfill('*');
    fanout::write_waterfall(out, r);
    std::locale::global(before);
    CHECK((out.str() == plain));
}

TEST_CASE("what was in flight for less than a pixel is not drawn for longer") {
    recording r;
    r.on_begun({2});
    r.on_started({0, 1, 1, 0ns, 0, 0ns});
    r.on_started({1, 1, 2, 0ns, 1, 0ns});
    r.on_settled({0, 1, 1, state::fulfilled, {}, false, 50ms, 50ms, 0, 0ns, false});
    r.on_settled({1, 1, 0, state::fulfilled, {}, false, 50ms, 50ms + 10us, 1, 0ns, false});
    r.on_finished({0, 0, 50ms + 10us});
    r.on_begun({1});
    r.on_started({0, 1, 1, 10us, 0, 10us});
    r.on_settled({0, 1, 0, state::fulfilled, {}, false, 200ms, 200ms, 0, 10us, false});
    r.on_finished({0, 0, 200ms});
    auto const svg = draw(r);
    auto const from = svg.find("class=\"most ok\"");
    REQUIRE(from != svg.npos);
    auto const path = svg.substr(from, svg.find('/', from) - from);
    // Two until 50 ms, which is a fifth of the way, and one from there on.
    CHECK(path == "class=\"most ok\" d=\"M64 189V145H234.39V167H916V189z\"");
}

TEST_CASE("a stream that fails is left so") {
    struct full : std::streambuf {
        std::size_t room = 1'000;
        int_type overflow(int_type c) override { return room-- > 0 ? c : traits_type::eof(); }
    };
    full disk;
    std::ostream out(&disk);
    recording const r;
    fanout::write_waterfall(out, r);
    CHECK(out.fail());
}
