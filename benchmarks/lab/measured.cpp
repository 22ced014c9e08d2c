// SPDX-License-Identifier: BSL-1.0
#include "measured.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <istream>
#include <iterator>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace lab {

namespace {

using duration = measured::duration;

constexpr std::string_view format = "fanout-lab-measured";
constexpr std::string_view version = "1";
constexpr unsigned steps = 32;                       // buckets from a power of 2 to the next
constexpr std::int64_t longest = 86'400'000'000'000; // a day
constexpr std::uint64_t most_calls = 1'000'000'000'000;

// Buckets as wide as a 32nd of the power of 2 below them.
measured::bucket bucket_of(std::int64_t ns) {
    auto const whole = static_cast<std::uint64_t>(std::clamp<std::int64_t>(ns, 1, longest - 1));
    auto const width = (std::max)(std::bit_floor(whole) / steps, std::uint64_t{1});
    auto const from = whole / width * width;
    return {duration(from), duration(from + width), 1};
}

// 1234567 ns -> 1234.567, whatever the locale is.
std::string microseconds(duration d) {
    auto const below = std::to_string(d.count() % 1000);
    return std::to_string(d.count() / 1000) + '.' + std::string(3 - below.size(), '0') + below;
}

template <class Number>
std::optional<Number> number(std::string_view text) {
    Number out{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return out;
}

// Microseconds with at most three places, from 0 to a day.
std::optional<duration> time(std::string_view text) {
    auto const point = (std::min)(text.find('.'), text.size());
    auto const whole = number<std::uint64_t>(text.substr(0, point));
    auto below = std::string(text.substr((std::min)(point + 1, text.size())));
    if (!whole || *whole > longest / 1000 || below.size() > 3 || (point < text.size() && below.empty()))
        return std::nullopt;
    below.append(3 - below.size(), '0');
    auto const thousandths = number<std::uint32_t>(below);
    if (!thousandths)
        return std::nullopt;
    return duration(*whole * 1000 + *thousandths);
}

std::vector<std::string_view> words_of(std::string_view line) {
    constexpr std::string_view blanks = " \t\r";
    std::vector<std::string_view> out;
    while (true) {
        line.remove_prefix((std::min)(line.find_first_not_of(blanks), line.size()));
        if (line.empty() || line.front() == '#')
            return out;
        auto const size = (std::min)(line.find_first_of(blanks), line.size());
        out.push_back(line.substr(0, size));
        line.remove_prefix(size);
    }
}

class reader {
public:
    explicit reader(std::string const& name) : name_(name) {}

    void line(std::string_view text) {
        ++line_;
        auto const words = words_of(text);
        if (words.empty())
            return;
        if (!begun_)
            begin(words);
        else if (words.size() == 2)
            key(words[0], words[1]);
        else
            bucket(words);
    }

    measured end() {
        ++line_;
        if (!begun_)
            refuse("the file ends, and has not begun with '" + std::string(format) + ' ' +
                   std::string(version) + '\'');
        if (!has_capacity_)
            refuse("the file ends without a line 'capacity NUMBER'");
        if (out_.calls() == 0)
            refuse("the file ends without a bucket, 'FROM TO CALLS'");
        return std::move(out_);
    }

private:
    [[noreturn]] void refuse(std::string const& why) const {
        throw std::runtime_error(name_ + ':' + std::to_string(line_) + ": " + why);
    }

    void begin(std::vector<std::string_view> const& words) {
        if (words.size() != 2 || words[0] != format)
            refuse("no file of measured times: it does not begin with '" + std::string(format) + ' ' +
                   std::string(version) + '\'');
        if (words[1] != version)
            refuse("a version of the format that is not known; known is " + std::string(version));
        begun_ = true;
    }

    void key(std::string_view name, std::string_view value) {
        auto const once = [this](bool& seen, char const* what) {
            if (std::exchange(seen, true))
                refuse(std::string(what) + " is given twice");
        };
        if (name == "capacity") {
            once(has_capacity_, "the capacity");
            auto const n = number<double>(value);
            if (!n || !(*n >= 1) || !(*n <= 1e6))
                refuse("a capacity is a number from 1 to 1000000");
            out_.capacity = *n;
        } else if (name == "connections") {
            once(has_connections_, "the number of connections");
            auto const n = number<std::size_t>(value);
            if (!n || *n < 1 || *n > 1'000'000)
                refuse("the number of connections is a whole number from 1 to 1000000");
            out_.connections = *n;
        } else if (name == "source") {
            once(has_source_, "the source");
            out_.source = value;
        } else {
            refuse("a line is 'source WORD', 'capacity NUMBER', 'connections NUMBER', or a bucket 'FROM TO "
                   "CALLS'");
        }
    }

    void bucket(std::vector<std::string_view> const& words) {
        if (words.size() != 3)
            refuse("a bucket is 'FROM TO CALLS', three numbers");
        auto const from = time(words[0]), to = time(words[1]);
        if (!from || !to)
            refuse("the times of a bucket are microseconds, with at most three places, up to a day");
        if (*from >= *to)
            refuse("a bucket ends after its beginning");
        if (*from < last_)
            refuse("buckets ascend, and do not overlap");
        auto const calls = number<std::uint64_t>(words[2]);
        if (!calls || *calls < 1 || *calls > most_calls)
            refuse("the calls of a bucket are a whole number, at least 1");
        if (out_.calls() > most_calls - *calls)
            refuse("these are more calls than can be counted");
        last_ = *to;
        out_.add({*from, *to, *calls});
    }

    std::string const& name_;
    std::size_t line_ = 0;
    bool begun_ = false, has_capacity_ = false, has_connections_ = false, has_source_ = false;
    duration last_{};
    measured out_;
};

} // namespace

void measured::add(duration took) {
    auto const where = bucket_of(took.count());
    ++entries_.try_emplace(where.from, entry{where.to, 0}).first->second.calls;
    ++calls_;
    sorted_.clear();
}

void measured::add(bucket const& more) {
    entries_.insert_or_assign(more.from, entry{more.to, more.calls});
    calls_ += more.calls;
    sorted_.clear();
}

std::vector<measured::bucket> measured::buckets() const {
    std::vector<bucket> out;
    for (auto const& [from, rest] : entries_)
        out.push_back({from, rest.to, rest.calls});
    return out;
}

measured::duration measured::mean() const {
    double sum = 0;
    for (auto const& [from, rest] : entries_)
        sum += static_cast<double>((from + rest.to).count()) / 2 * static_cast<double>(rest.calls);
    return duration(calls_ == 0 ? 0 : std::llround(sum / static_cast<double>(calls_)));
}

void measured::count_up() const {
    if (!sorted_.empty())
        return;
    sorted_ = buckets();
    up_to_.clear();
    std::uint64_t before = 0;
    for (auto const& b : sorted_)
        up_to_.push_back(before += b.calls);
}

measured::duration measured::quantile(double share) const {
    count_up();
    auto const target = share * static_cast<double>(calls_);
    auto const found = std::upper_bound(up_to_.begin(), std::prev(up_to_.end()), target,
                                        [](double t, std::uint64_t n) { return t < static_cast<double>(n); });
    auto const& b = sorted_[static_cast<std::size_t>(found - up_to_.begin())];
    auto const within = (target - static_cast<double>(*found - b.calls)) / static_cast<double>(b.calls);
    auto const width = static_cast<double>((b.to - b.from).count());
    return b.from + duration(static_cast<duration::rep>(std::clamp(within, 0.0, 1.0) * width));
}

void write(std::ostream& out, measured const& m) {
    // Not by <<, which follows the locale.
    char capacity[32];
    auto const end =
        std::to_chars(std::begin(capacity), std::end(capacity), m.capacity, std::chars_format::fixed, 2);
    out << "# What lab --measure found: how long a call takes that has the server to itself, and how many "
           "it\n"
           "# serves at once. lab --service measured:FILE simulates with it.\n"
        << format << ' ' << version << "\nsource " << m.source << "\ncapacity "
        << std::string_view(capacity, end.ptr) << "\nconnections " << std::to_string(m.connections)
        << "\n# buckets: from (included) and to (excluded), in microseconds; calls\n";
    for (auto const& b : m.buckets())
        out << microseconds(b.from) << ' ' << microseconds(b.to) << ' ' << std::to_string(b.calls) << '\n';
}

measured read_measured(std::istream& in, std::string const& name) {
    reader lines(name);
    std::string text;
    while (std::getline(in, text))
        lines.line(text);
    if (in.bad())
        throw std::runtime_error("cannot read " + name);
    return lines.end();
}

measured read_measured_file(std::string const& name) {
    std::ifstream in(name);
    if (!in)
        throw std::runtime_error("cannot read " + name + ": " + std::generic_category().message(errno));
    return read_measured(in, name);
}

} // namespace lab
