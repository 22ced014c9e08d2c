// SPDX-License-Identifier: BSL-1.0
#pragma once
// The values that options take: durations, counts, shares, days. Each parser throws usage_error, which says in one
// line what is wrong and what is allowed.

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace snapshot {

class usage_error : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

// One line stays one line, whatever is in it.
inline std::string printable(std::string_view text) {
    std::string out;
    for (char const c : text.substr(0, 200))
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return out;
}

[[noreturn]] inline void refuse(std::string_view option, std::string_view value, std::string_view allowed) {
    throw usage_error(std::string(option) + ": '" + printable(value.substr(0, 60)) +
                      "' is not allowed; give " + std::string(allowed));
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
    T out{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return out;
}

inline std::uint64_t parse_count(std::string_view option, std::string_view text, std::uint64_t least,
                                 std::uint64_t most) {
    auto const out = parse_number<std::uint64_t>(text);
    if (!out || *out < least || *out > most)
        refuse(option, text, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return *out;
}

// 500ms, 2s, 1.5s, 14min, 1h. Zero is for options that say so.
inline std::chrono::microseconds parse_duration(std::string_view option, std::string_view text,
                                                bool zero_allowed) {
    auto const number_size = std::min(text.find_first_not_of("0123456789."), text.size());
    auto const number = parse_number<double>(text.substr(0, number_size));
    auto const unit = text.substr(number_size);
    double const micros = unit == "us"    ? 1
                          : unit == "ms"  ? 1e3
                          : unit == "s"   ? 1e6
                          : unit == "min" ? 60e6
                          : unit == "h"   ? 3600e6
                                          : 0;
    constexpr double most = 24 * 3600e6;
    double const out = number.value_or(-1) * micros;
    bool const is_zero = number && *number == 0 && (micros > 0 || unit.empty());
    if (is_zero && zero_allowed)
        return std::chrono::microseconds(0);
    if (micros == 0 || !(out >= 1) || out > most)
        refuse(option, text,
               std::string("a duration ") + (zero_allowed ? "from 0" : "over 0") +
                   " to 24h, as 500ms, 2s, 14min or 1h");
    return std::chrono::microseconds(static_cast<std::int64_t>(out));
}

// "5%" or "0.05": 0.05.
inline double parse_share(std::string_view option, std::string_view text) {
    bool const percent = text.ends_with('%');
    auto const number = parse_number<double>(percent ? text.substr(0, text.size() - 1) : text);
    double const share = number ? *number / (percent ? 100 : 1) : -1;
    if (!(share >= 0 && share <= 1))
        refuse(option, text, "a share from 0% to 100%, as 5%, or from 0 to 1, as 0.05");
    return share;
}

// YYYY-MM-DD, of a day that exists; returned as it is.
inline std::string parse_day(std::string_view option, std::string_view text) {
    bool good = text.size() == 10 && text[4] == '-' && text[7] == '-';
    if (good) {
        auto const year = parse_number<unsigned>(text.substr(0, 4));
        auto const month = parse_number<unsigned>(text.substr(5, 2));
        auto const day = parse_number<unsigned>(text.substr(8, 2));
        good = year && month && day &&
               std::chrono::year_month_day{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(*month), std::chrono::day(*day)}
                   .ok();
    }
    if (!good)
        refuse(option, text, "a day of the calendar as YYYY-MM-DD");
    return std::string(text);
}

inline std::string day_of(std::chrono::system_clock::time_point now) {
    std::chrono::year_month_day const day(std::chrono::floor<std::chrono::days>(now));
    char text[32];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()),
                  static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    return text;
}

} // namespace snapshot
