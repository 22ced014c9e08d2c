// SPDX-License-Identifier: BSL-1.0
#pragma once

// The time axis of a waterfall: where a time is drawn, which round times get a tick, and how times are spelled.

#include <fanout/detail/waterfall_svg.hpp>
#include <fanout/observe/observer.hpp>

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fanout::detail::waterfall {

/// Where a time is drawn.
struct time_axis {
    since_start span; ///< from 0 to the right end
    centipixel left, width;
    centipixel column = pixels(2); ///< where shares are drawn, they have this resolution; a part of the width

    centipixel at(since_start t) const noexcept {
        if (span.count() <= 0) {
            return left;
        }
        // A product before the quotient leaves the compiler nothing to fuse: the same digits everywhere.
        return left + std::llround(static_cast<double>(t.count()) * static_cast<double>(width) /
                                   static_cast<double>(span.count()));
    }

    centipixel right() const noexcept { return left + width; }
    std::size_t columns() const noexcept { return static_cast<std::size_t>(width / column); }

    /// Makes it at most this wide, and a few hundred columns at most.
    void fit(centipixel room) noexcept {
        column = pixels(2) * (1 + room / pixels(1'000));
        width = room - room % column;
    }
};

struct time_unit {
    std::chrono::nanoseconds one;
    std::string_view name;

    static constexpr time_unit microsecond() noexcept { return {std::chrono::microseconds(1), "\xC2\xB5s"}; }
    static constexpr time_unit millisecond() noexcept { return {std::chrono::milliseconds(1), "ms"}; }
    static constexpr time_unit second() noexcept { return {std::chrono::seconds(1), "s"}; }
    static constexpr time_unit minute() noexcept { return {std::chrono::minutes(1), "min"}; }
    static constexpr time_unit hour() noexcept { return {std::chrono::hours(1), "h"}; }
};

/// A round time step that parts the span into at most `most` parts.
inline since_start tick_step(since_start span, std::int64_t most) noexcept {
    auto const fits = [=](since_start step) { return span / step < most || span == step * most; };
    for (auto power = since_start(1); power < time_unit::second().one; power *= 10) {
        for (int const digit : {1, 2, 5}) {
            if (fits(power * digit)) {
                return power * digit;
            }
        }
    }
    for (auto const& unit : {time_unit::second(), time_unit::minute()}) {
        for (int const n : {1, 2, 5, 10, 15, 30}) {
            if (fits(unit.one * n)) {
                return unit.one * n;
            }
        }
    }
    for (int const n : {1, 2, 3, 6, 12}) {
        if (fits(time_unit::hour().one * n)) {
            return time_unit::hour().one * n;
        }
    }
    auto step = time_unit::hour().one * 24;
    while (!fits(step) && step.count() < INT64_MAX / 2) {
        step *= 2;
    }
    return step;
}

/// The unit in which the ticks are counted.
inline time_unit tick_unit(since_start step, since_start span) noexcept {
    for (auto const& unit : {time_unit::hour(), time_unit::minute(), time_unit::second()}) {
        if (step >= unit.one) {
            return unit;
        }
    }
    return span >= time_unit::second().one        ? time_unit::second()
           : span >= time_unit::millisecond().one ? time_unit::millisecond()
                                                  : time_unit::microsecond();
}

struct time_tick {
    since_start at;
    std::string text;
};

inline std::string with_unit(std::string_view number, time_unit const& unit) {
    return std::string(number) + ' ' + std::string(unit.name);
}

/// Ticks at round times from 0 on, at most `most` + 1 of them.
inline std::vector<time_tick> ticks(since_start span, std::int64_t most) {
    std::vector<time_tick> out{{since_start(0), "0"}};
    if (span.count() <= 0) {
        return out;
    }
    auto const step = tick_step(span, most);
    auto const unit = tick_unit(step, span);
    for (std::int64_t i = 1; i <= span / step; ++i) {
        auto const in_units = static_cast<double>((step * i).count()) / static_cast<double>(unit.one.count());
        out.push_back({step * i, with_unit(fixed(in_units, 3), unit)});
    }
    return out;
}

} // namespace fanout::detail::waterfall
