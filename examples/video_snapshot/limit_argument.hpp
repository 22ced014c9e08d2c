// SPDX-License-Identifier: BSL-1.0
#pragma once
// What --limit takes: 64, unlimited, rate:500/s, adaptive.

#include "values.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace snapshot {

struct no_limit {
    bool operator==(no_limit const&) const = default;
};
struct window_limit { // writes under way at once
    std::size_t permits = 64;
    bool operator==(window_limit const&) const = default;
};
struct rate_limit {
    double per_second = 0;
    std::size_t burst = 1; // writes that may start at once after a pause
    bool operator==(rate_limit const&) const = default;
};
struct adaptive_limit { // a window that moves with the throttled replies
    std::size_t maximum = 1000;
    bool operator==(adaptive_limit const&) const = default;
};

struct limit_argument {
    std::string given = "64";
    std::variant<window_limit, no_limit, rate_limit, adaptive_limit> what;
};

namespace detail {

inline constexpr std::uint64_t most_permits = 1'000'000;

// What is behind rate: as "500/s", "30/min", "500/s:20". Without a burst, what a tenth of a second grants.
inline std::optional<rate_limit> parse_rate(std::string_view text) {
    auto const number_size = std::min(text.find_first_not_of("0123456789."), text.size());
    auto const number = parse_number<double>(text.substr(0, number_size));
    text.remove_prefix(number_size);
    auto const colon = std::min(text.find(':'), text.size());
    auto const unit = text.substr(0, colon);
    double const seconds = unit == "/s" ? 1 : unit == "/min" ? 60 : 0;
    if (!number || seconds == 0 || !(*number >= 0.001) || *number > 1e6)
        return std::nullopt;
    rate_limit out;
    out.per_second = *number / seconds;
    out.burst = std::max<std::size_t>(1, static_cast<std::size_t>(out.per_second / 10));
    if (colon == text.size())
        return out;
    auto const burst = parse_number<std::uint64_t>(text.substr(colon + 1));
    if (!burst || *burst < 1 || *burst > most_permits)
        return std::nullopt;
    out.burst = static_cast<std::size_t>(*burst);
    return out;
}

} // namespace detail

inline limit_argument parse_limit(std::string_view option, std::string_view text) {
    auto const permits = [&](std::string_view number) -> std::optional<std::size_t> {
        auto const n = parse_number<std::uint64_t>(number);
        if (!n || *n < 1 || *n > detail::most_permits)
            return std::nullopt;
        return static_cast<std::size_t>(*n);
    };
    limit_argument out{std::string(text), {}};
    if (text == "unlimited") {
        out.what = no_limit{};
    } else if (text.starts_with("rate")) {
        auto const rate = text.starts_with("rate:") ? detail::parse_rate(text.substr(5)) : std::nullopt;
        if (!rate)
            refuse(
                option, text,
                "a rate as rate:500/s or rate:30/min, from 0.001 to 1000000, and behind it, if wanted, how "
                "many may start at once, from 1 to 1000000: rate:500/s:20");
        out.what = *rate;
    } else if (text == "adaptive") {
        out.what = adaptive_limit{};
    } else if (text.starts_with("adaptive")) {
        auto const maximum = text.starts_with("adaptive:") ? permits(text.substr(9)) : std::nullopt;
        if (!maximum)
            refuse(option, text, "adaptive, or adaptive:MAX with a whole number from 1 to 1000000");
        out.what = adaptive_limit{*maximum};
    } else {
        auto const n = permits(text);
        if (!n)
            refuse(option, text,
                   "a whole number from 1 to 1000000, unlimited, rate:N/s, rate:N/min or adaptive");
        out.what = window_limit{*n};
    }
    return out;
}

} // namespace snapshot
