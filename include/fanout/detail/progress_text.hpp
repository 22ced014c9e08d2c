// SPDX-License-Identifier: BSL-1.0
#pragma once

// The words of a progress line, from plain numbers: no clock, no stream, no locale.

#include <fanout/detail/escaped.hpp>
#include <fanout/detail/stats_text.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fanout::detail {

/// How many per second of late: what was done s seconds ago counts e^(-s/15 s). While little time has passed that is
/// the mean of all of it; when nothing happens any more, it falls to a third within a quarter of a minute.
class recent_rate {
public:
    /// `n` were done, spread over `time`, since the last call.
    void add(std::size_t n, std::chrono::duration<double> time) noexcept {
        if (!(time.count() > 0)) {
            return;
        }
        constexpr double memory = 15;
        auto const kept = std::exp(-time.count() / memory);
        auto const weight = memory * (1 - kept); // of this time, in seconds
        done_ = done_ * kept + static_cast<double>(n) / time.count() * weight;
        seconds_ = seconds_ * kept + weight;
    }

    /// None before anything was done.
    std::optional<double> per_second() const noexcept {
        return done_ > 0 ? std::optional(done_ / seconds_) : std::nullopt;
    }

private:
    double done_ = 0, seconds_ = 0; ///< both weighted alike
};

/// What a progress line says.
struct progress_numbers {
    std::size_t done = 0;
    std::optional<std::size_t> total;
    std::optional<double> per_second; ///< not known before anything was done
    std::size_t in_flight = 0, retries = 0, rejected = 0;
    bool stopping = false; ///< nothing more starts
    /// Of a fan-out that has ended: how long it took. Then what is in flight and what is left are not told.
    std::optional<std::chrono::nanoseconds> took;
    std::size_t not_started = 0;
};

/// How many columns of a terminal it takes, about: one per character, two for those that may be wide.
inline std::size_t columns_of(std::string_view text) noexcept {
    std::size_t columns = 0;
    for (std::size_t at = 0; at < text.size();) {
        columns += static_cast<unsigned char>(text[at]) >= 0xE1 ? 2U : 1U; // from U+1000 on
        at += (std::max)(utf8_length(text.substr(at)), std::size_t{1});
    }
    return columns;
}

/// The beginning of it that has room.
inline std::string_view cut_to(std::string_view text, std::size_t columns) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        auto const next = at + (std::max)(utf8_length(text.substr(at)), std::size_t{1});
        if (columns_of(text.substr(0, next)) > columns) {
            break;
        }
        at = next;
    }
    return text.substr(0, at);
}

/// Text that cannot move the cursor, nor end the line: a '?' for each control character, and what is not UTF-8.
inline std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        auto const character = text.substr(at, utf8_length(text.substr(at)));
        auto const first = static_cast<unsigned char>(text[at]);
        auto const is_c1 =
            character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
        if (character.empty() || first < 0x20 || first == 0x7F || is_c1) {
            out += '?';
        } else {
            out += character;
        }
        at += (std::max)(character.size(), std::size_t{1});
    }
    return out;
}

/// "118", "1.2"
inline std::string figure(double x) {
    if (x >= 9.95) {
        return std::to_string(std::llround((std::min)(x, 1e15)));
    }
    auto const tenths = std::llround(x * 10);
    return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10);
}

/// "118/s", "1.2/s"; what is less than one a second is told by the minute, or the hour.
inline std::string rate_text(double per_second) {
    if (per_second >= 1) {
        return figure(per_second) + "/s";
    }
    if (per_second * 60 >= 1) {
        return figure(per_second * 60) + "/min";
    }
    return per_second * 3600 >= 0.1 ? figure(per_second * 3600) + "/h" : "0/s";
}

/// "3 s left". Nothing where that is not known: no total, nothing done, or so slow that it would take years.
inline std::string time_left_text(progress_numbers const& n) {
    constexpr double too_long = 1000.0 * 86'400;
    if (!n.total || !n.per_second || n.done >= *n.total || n.stopping) {
        return {};
    }
    auto const seconds = std::ceil(static_cast<double>(*n.total - n.done) / *n.per_second);
    if (seconds >= too_long) {
        return {};
    }
    return duration_text(std::chrono::seconds(static_cast<std::chrono::seconds::rep>(seconds))) + " left";
}

/// "612 of 1000 videos (61 %)"
inline std::string done_text(progress_numbers const& n, std::string_view what) {
    auto text = std::to_string(n.done);
    if (n.total) {
        text += " of " + std::to_string(*n.total);
    }
    if (!what.empty()) {
        text += ' ';
        text += what;
    } else if (!n.total) {
        text += " done";
    }
    if (n.total && *n.total > 0) { // rounded down: it is not 100 % before all are done
        auto const share = static_cast<double>(n.done) / static_cast<double>(*n.total);
        auto const percent = n.done < *n.total ? (std::min)(static_cast<int>(share * 100 + 1e-9), 99) : 100;
        text += " (" + std::to_string(percent) + " %)";
    }
    return text;
}

/// "612 of 1000 videos (61 %), 118/s, 64 in flight, 12 retries, 3 rejected, 4 s left"
///
/// Where that has no room in `columns`, what people miss least is left out first: the rate, what is in flight, retries.
inline std::string progress_text(progress_numbers const& n, std::string_view what = {},
                                 std::size_t columns = static_cast<std::size_t>(-1)) {
    struct part {
        std::string text;
        int rank; ///< the highest is left out first
    };
    std::vector<part> parts{{done_text(n, what), 0}};
    auto const add = [&parts](int rank, std::string text) {
        if (!text.empty()) {
            parts.push_back({std::move(text), rank});
        }
    };
    auto const counted = [&add](int rank, std::size_t count, char const* one, char const* many) {
        if (count != 0) {
            add(rank, std::to_string(count) + (count == 1 ? one : many));
        }
    };
    if (n.stopping && !n.took) {
        add(1, "stopping");
    }
    if (n.per_second) {
        add(6, rate_text(*n.per_second));
    }
    if (!n.took) {
        add(5, std::to_string(n.in_flight) + " in flight");
    }
    counted(4, n.retries, " retry", " retries");
    counted(3, n.rejected, " rejected", " rejected");
    if (n.took) {
        counted(2, n.not_started, " not started", " not started");
        add(2, "took " + duration_text(*n.took));
    } else {
        add(2, time_left_text(n));
    }

    for (;;) {
        std::string line;
        for (auto const& p : parts) {
            line += (line.empty() ? "" : ", ") + p.text;
        }
        if (parts.size() == 1) {
            return std::string(cut_to(line, columns));
        }
        if (columns_of(line) <= columns) {
            return line;
        }
        parts.erase(std::max_element(parts.begin(), parts.end(),
                                     [](part const& a, part const& b) { return a.rank < b.rank; }));
    }
}

} // namespace fanout::detail
