// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the numbers of a fan-out say, in words: no clock, no stream, no locale. Templates, which whoever asks for no text
// does not compile.

#include <fanout/detail/requirements.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace fanout::detail {

/// What a text about a fan-out is made from.
struct stats_numbers {
    using duration = std::chrono::nanoseconds;

    std::size_t fulfilled = 0, rejected = 0, timed_out = 0, cancelled = 0, not_started = 0;
    std::size_t attempts = 0, retries = 0;
    std::size_t settled = 0; ///< attempts that ended
    std::size_t calls = 0;   ///< that have finished
    std::size_t peak = 0;    ///< in flight
    std::size_t limit = 0;   ///< the highest, where it was known all the time; else 0
    duration wall{}, child{}, waited{};
    duration alone{}; ///< while one was in flight
    duration fastest{}, third{} /* fastest of a call */, median{}, high{} /* 99 % */, slowest{};
    duration first{};                      ///< what the first one took
    duration low_gap{}, gap{}, high_gap{}; ///< from the end of one attempt to that of the next: 10 %, 90 %
};

/// Whether they ran one after another.
enum class serial_sign : std::uint8_t {
    none,
    one_at_a_time, ///< one was in flight
    mostly_one,    ///< more were, for a small part of the time
    slow_one,      ///< likewise, since one took so long
    inside,        ///< many were, and yet they look as if they had waited for each other
};

/// Whether children that were in flight together look as if they had waited for each other, inside something that
/// they share. They look busy meanwhile. What gives it away: the first to end, which had it to itself, was the
/// fastest, and no others were nearly as fast; and all ended one by one, about as far apart as that.
///
/// Each of these happens to healthy fan-outs, too: `children × fastest = wall time` with 4 in flight of which the
/// fastest takes a quarter of the mean, even steps where a rate lets them start. All of it at once hardly ever
/// does: in simulations at most 1 % of the runs without a rate, with 3 or more in flight. The price: where the
/// service varies much (a standard deviation of half the mean), nothing is said as often as not.
template <class Numbers>
bool looks_serial(Numbers const& n) noexcept {
    auto const in_even_steps = n.low_gap >= n.gap / 2 && n.high_gap <= n.gap * 2;
    auto const in_steps_of_the_fastest = n.fastest >= n.gap / 2 && n.fastest <= n.gap * 2;
    auto const first_was_fastest = n.first <= n.fastest * 3 / 2;
    auto const few_were_as_fast = n.third >= n.fastest * 5 / 4;
    return n.settled >= 8 && in_even_steps && in_steps_of_the_fastest && first_was_fastest &&
           few_were_as_fast;
}

/// What the numbers say about that. In doubt it is `none`; within a millisecond it never matters, nor where calls have
/// hardly more than one child each.
template <class Numbers>
serial_sign sign_of(Numbers const& n) noexcept {
    auto const ran = n.fulfilled + n.rejected;
    auto const wall = static_cast<double>(n.wall.count());
    if (n.wall < std::chrono::milliseconds(1) || ran < 2 * (std::max)(n.calls, std::size_t{1})) {
        return serial_sign::none;
    }
    if (static_cast<double>(n.alone.count()) < 0.8 * wall) {
        return looks_serial(n) ? serial_sign::inside : serial_sign::none;
    }
    if (n.peak == 1) {
        return serial_sign::one_at_a_time;
    }
    if (ran < 8) {
        return serial_sign::none;
    }
    return n.slowest >= n.wall / 2 ? serial_sign::slow_one : serial_sign::mostly_one;
}

/// "1,012"
inline std::string count_text(std::uint64_t n) {
    auto text = std::to_string(n);
    for (auto at = text.size(); at > 3; at -= 3) {
        text.insert(at - 3, 1, ',');
    }
    return text;
}

/// "850 ns", "5.1 ms", "12 ms", "75 s", "2 min 5 s", "1 h 20 min", "3 d 4 h"
template <class Duration>
std::string duration_text(Duration t) {
    std::chrono::nanoseconds const d = t;
    auto const ns = static_cast<std::uint64_t>((std::max)(d.count(), std::chrono::nanoseconds::rep{0}));
    auto const rounded = [ns](std::uint64_t unit) { return ns / unit + (ns % unit * 2 >= unit ? 1 : 0); };
    auto const in = [&rounded](std::uint64_t unit, std::uint64_t most, char const* name) {
        std::string text;
        if (auto const tenths = unit > 1 ? rounded(unit / 10) : 100; tenths < 100) {
            text = std::to_string(tenths / 10);
            text += tenths % 10 == 0 ? std::string() : '.' + std::to_string(tenths % 10);
        } else if (rounded(unit) < most) {
            text = std::to_string(rounded(unit));
        }
        return text.empty() ? text : text + name;
    };
    constexpr std::uint64_t second = 1'000'000'000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
    auto const in_two = [&rounded](std::uint64_t unit, std::uint64_t part, char const* name,
                                   char const* part_name) {
        auto const parts = rounded(part);
        auto text = std::to_string(parts / (unit / part)) + name;
        auto const left = parts % (unit / part);
        return left == 0 ? text : text + ' ' + std::to_string(left) + part_name;
    };
    for (auto text : {in(1, 1'000, " ns"), in(1'000, 1'000, " \xC2\xB5s"), in(1'000'000, 1'000, " ms"),
                      in(second, 120, " s")}) {
        if (!text.empty()) {
            return text;
        }
    }
    if (rounded(second) < 3'600) {
        return in_two(minute, second, " min", " s");
    }
    return rounded(minute) < 24 * 60 ? in_two(hour, minute, " h", " min") : in_two(day, hour, " d", " h");
}

/// "0.05", "61.3", "1,012.0"
inline std::string parallelism_text(double x) {
    auto const hundredths = static_cast<std::uint64_t>(x * 100 + 0.5);
    if (hundredths < 100) {
        return "0." + std::string(hundredths < 10 ? "0" : "") + std::to_string(hundredths);
    }
    auto const tenths = static_cast<std::uint64_t>(x * 10 + 0.5);
    return count_text(tenths / 10) + '.' + std::to_string(tenths % 10);
}

/// "1,000 children: 990 fulfilled, 10 rejected (4 timed out)."
template <class Numbers>
std::string ends_text(Numbers const& n) {
    auto const running = n.attempts - (std::min)(n.settled, n.attempts);
    auto const children = n.fulfilled + n.rejected + n.not_started + running;
    if (children == 0) {
        return "No children.";
    }
    std::string parts;
    auto const add = [&](std::size_t count, char const* what) {
        if (count > 0) {
            parts += parts.empty() ? "" : ", ";
            parts += count < children ? count_text(count) + ' ' : children > 1 ? "all " : "";
            parts += what;
        }
        return count > 0;
    };
    add(n.fulfilled, "fulfilled");
    if (add(n.rejected, "rejected") && n.timed_out + n.cancelled > 0) {
        auto const also = n.timed_out > 0 && n.cancelled > 0 ? ", " : "";
        parts += " (" + (n.timed_out > 0 ? count_text(n.timed_out) + " timed out" : std::string()) + also +
                 (n.cancelled > 0 ? count_text(n.cancelled) + " cancelled" : std::string()) + ')';
    }
    if (n.not_started == children && children > 1) {
        parts = "none started";
    } else {
        add(n.not_started, "not started");
    }
    add(running, "not ended");
    return count_text(children) + (children == 1 ? " child: " : " children: ") + parts + '.';
}

/// "1,012 attempts (12 retries) in 5.4 s, at most 64 in flight, 61.3 side by side on average."
template <class Numbers>
std::string course_text(Numbers const& n, serial_sign sign) {
    auto const took_time = n.wall.count() > 0;
    std::string text;
    if (n.attempts == 0) {
        return text;
    }
    if (n.retries > 0 || n.not_started > 0) {
        text = count_text(n.attempts) + (n.attempts == 1 ? " attempt" : " attempts");
        if (n.retries > 0) {
            text += " (" + count_text(n.retries) + (n.retries == 1 ? " retry)" : " retries)");
        }
        text += took_time ? " in " : "";
    } else if (took_time) {
        text = n.attempts == 1 ? "It took " : "They took ";
    }
    if (took_time) {
        text += duration_text(n.wall);
    }
    if (sign == serial_sign::one_at_a_time) {
        text += ", one after another";
    } else if (took_time && n.attempts > 1) {
        auto const average = static_cast<double>(n.child.count()) / static_cast<double>(n.wall.count());
        if (n.peak > 1) {
            text += ", at most " + count_text(n.peak) + " in flight, " + parallelism_text(average) +
                    " side by side on average";
        } else {
            auto const idle = static_cast<int>((1 - (std::min)(average, 1.0)) * 100 + 0.5);
            text += ", one at a time, none for " + std::to_string(idle) + " % of the time";
        }
    }
    return text.empty() ? text : text + '.';
}

/// "An attempt took 5.1 ms (median), 9.8 ms (99 %), 12 ms at most; before, it waited 2.6 s for its turn on average."
template <class Numbers>
std::string times_text(Numbers const& n) {
    std::string text;
    auto const slowest = duration_text(n.slowest);
    if (n.settled > 1 && n.slowest.count() > 0) {
        if (duration_text(n.fastest) == slowest) {
            text = "Each took " + slowest;
        } else {
            text = (n.retries > 0 ? "An attempt took " : "A child took ") + duration_text(n.median) +
                   " (median)";
            auto const high = duration_text(n.high);
            text += high != slowest ? ", " + high + " (99 %)" : std::string();
            text += ", " + slowest + " at most";
        }
    }
    auto const waited = n.attempts > 0 ? n.waited / static_cast<std::int64_t>(n.attempts) : n.waited;
    if (waited > n.wall / 100 || waited > n.median) {
        text += text.empty() ? "Before, it waited " : "; before, it waited ";
        text += duration_text(waited) + " for its turn" + (n.attempts > 1 ? " on average" : "");
    }
    return text.empty() ? text : text + '.';
}

/// Whether they ran one after another, and why that is so as a rule.
template <class Numbers>
std::string sign_text(Numbers const& n, serial_sign sign) {
    std::string const one_connection = "one connection (all statements of a transaction go through one)";
    switch (sign) {
    case serial_sign::none: break;
    case serial_sign::one_at_a_time:
        if (n.limit == 1) {
            return "The limit was 1, as with limit(1), a lock, or a pool of " + one_connection + '.';
        }
        if (n.limit > 1) {
            return "The limit of " + count_text(n.limit) +
                   " allowed more. Usually the children block the thread instead of waiting, or share a key "
                   "or "
                   "a lock.";
        }
        return "Usually that is due to " + one_connection +
               ", a lock, a limit of 1, or children that block the thread instead of waiting.";
    case serial_sign::mostly_one:
        return "Most of the time one ran alone. Usually that is due to " + one_connection +
               ", a key or a lock that they share, or to a rate or a source that lets them start one by one.";
    case serial_sign::slow_one:
        return "Most of the time one ran alone: the slowest took " + duration_text(n.slowest) + '.';
    case serial_sign::inside:
        return "It looks as if they ran one after another all the same: they ended " + duration_text(n.gap) +
               " apart (median), and the first, with none before it, took " + duration_text(n.first) +
               ". Usually they wait for each other inside something that they share: " + one_connection +
               ", or a lock.";
    }
    return {};
}

/// All of it, in one paragraph.
template <class Numbers>
std::string stats_text(Numbers const& n) {
    auto const sign = sign_of(n);
    auto text = ends_text(n);
    for (auto const& sentence : {course_text(n, sign), times_text(n), sign_text(n, sign)}) {
        text += sentence.empty() ? "" : ' ' + sentence;
    }
    return text;
}

/// Gives a class its `text()`, as a function and not a template; it is compiled where it is called all the same.
template <class Stats>
class in_words {
public:
    std::string text() const {
        return stats_text(static_cast<Stats const&>(*this).template numbers<stats_numbers>());
    }
};

} // namespace fanout::detail
