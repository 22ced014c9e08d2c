// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which inputs make a row of a waterfall, what they did when, and how they ended. Nothing here draws.

#include <fanout/observe/recording.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace fanout::detail::waterfall {

using attempt = recording::attempt;

/// What became of an input as far as is known; of several inputs a row shows the last one here.
enum class ending : std::uint8_t { fulfilled, running, not_started, cancelled, timed_out, rejected };
inline constexpr std::size_t endings = 6;

/// What an input does at a time: it runs an attempt that will end so, or sleeps, or waits for a permit. A row of
/// several inputs stacks them in this order, the first at the bottom.
enum class doing : std::uint8_t {
    fulfilled,
    running,
    cancelled,
    timed_out,
    rejected,
    again,
    sleeping,
    waiting
};
inline constexpr std::size_t doings = 8;

inline ending ending_of(state s) noexcept {
    switch (s) {
    case state::fulfilled: return ending::fulfilled;
    case state::timed_out: return ending::timed_out;
    case state::cancelled: return ending::cancelled;
    case state::not_started: return ending::not_started;
    case state::rejected: break;
    }
    return ending::rejected;
}

inline doing doing_of(attempt const& a) noexcept {
    if (a.running) {
        return doing::running;
    }
    if (a.retried) {
        return doing::again;
    }
    switch (a.what) {
    case state::fulfilled: return doing::fulfilled;
    case state::timed_out: return doing::timed_out;
    case state::cancelled: return doing::cancelled;
    case state::not_started:
    case state::rejected: break;
    }
    return doing::rejected;
}

/// Calls `f(doing, from, until, attempt)` for what an input is known to have done, before each attempt and during it.
/// `attempts` are those of one input.
template <class F>
void for_each_phase(std::span<attempt const> attempts, F&& f) {
    attempt const* before = nullptr;
    for (auto const& a : attempts) {
        if (before && before->number + 1 == a.number && before->end < a.ready) {
            f(doing::sleeping, before->end, a.ready, a);
        }
        if (a.ready < a.start) {
            f(doing::waiting, a.ready, a.start, a);
        }
        f(doing_of(a), a.start, a.end, a);
        before = &a;
    }
}

/// The attempts of the first input among `attempts`, which are in the order of inputs.
inline std::span<attempt const> of_first_input(std::span<attempt const> attempts) noexcept {
    auto const last = std::find_if(attempts.begin(), attempts.end(),
                                   [&](attempt const& a) { return a.index != attempts.front().index; });
    return attempts.first(static_cast<std::size_t>(last - attempts.begin()));
}

/// A row: one input, or as many as follow one another.
struct input_row {
    std::size_t first, inputs;
    std::span<attempt const> attempts; ///< of these inputs
    std::size_t kept = 0;              ///< of these inputs, those that the recording keeps by rule
    std::array<std::size_t, endings> ended{};
    std::size_t retries = 0;
    since_start until{}; ///< the end of the last attempt

    std::optional<ending> worst() const noexcept {
        for (std::size_t i = endings; i-- > 0;) {
            if (ended[i] > 0) {
                return static_cast<ending>(i);
            }
        }
        return std::nullopt;
    }
};

/// How many inputs a row stands for: 1 while there is a row for each, else the smallest of 2, 5, 10, 20, 50 … that
/// leaves at most half as many rows, which are then twice as high. At least one of them is kept.
inline std::size_t inputs_per_row(std::size_t inputs, std::size_t every, std::size_t max_rows) noexcept {
    if (inputs <= max_rows && every == 1) {
        return 1;
    }
    auto const most = (std::max)(max_rows / 2, std::size_t{1});
    for (std::size_t power = 1; power <= SIZE_MAX / 10; power *= 10) {
        for (std::size_t const digit : {1U, 2U, 5U}) {
            auto const n = power * digit;
            if (n >= every && (inputs == 0 || (inputs - 1) / n < most)) {
                return n;
            }
        }
    }
    return SIZE_MAX;
}

/// The rows of one recording.
class input_rows {
public:
    input_rows(recording const& r, std::size_t max_rows)
        : attempts_(r.attempts()), every_(r.every()), complete_(r.dropped() == 0) {
        for (auto const& m : r.marks()) {
            if (m.what == recording::mark::finished) {
                finished_ = m.at;
            }
        }
        auto const seen = r.inputs_seen();
        auto const inputs = (std::max)(r.inputs().value_or(0), seen);
        // A million inputs that never ran would leave no room for those that did.
        shown_ = inputs <= max_rows ? inputs : seen;
        beyond_ = inputs - shown_;
        per_row_ = inputs_per_row(shown_, every_, max_rows);
        make_rows();
    }
    input_rows(input_rows const&) = delete; // rows refer to the attempts
    input_rows& operator=(input_rows const&) = delete;

    std::vector<input_row> const& rows() const noexcept { return rows_; }
    std::size_t per_row() const noexcept { return per_row_; }
    /// Rows are drawn as shares over time: they stand for several inputs, or there are too many bars.
    bool as_shares() const noexcept { return per_row_ > 1 || attempts_.size() > 1'500; }
    /// How many inputs follow the last one that has a row: none of them started.
    std::size_t beyond() const noexcept { return beyond_; }
    std::size_t shown() const noexcept { return shown_; }
    std::size_t every() const noexcept { return every_; }

    /// Whether any input is known to have done this.
    bool does(doing what) const noexcept { return does_[static_cast<std::size_t>(what)]; }
    bool does_anything() const noexcept { return !attempts_.empty(); }
    /// How many inputs are known to have ended so.
    std::size_t ended(ending e) const noexcept { return ended_[static_cast<std::size_t>(e)]; }

    /// The recording keeps all attempts of this input, and not only what was of interest.
    bool keeps(std::size_t index) const noexcept { return index % every_ == 0; }

private:
    void make_rows() {
        auto rest = std::span<attempt const>(attempts_);
        for (std::size_t first = 0; first < shown_; first += per_row_) {
            input_row row{first, (std::min)(per_row_, shown_ - first), {}};
            auto const last = std::partition_point(
                rest.begin(), rest.end(), [&](attempt const& a) { return a.index < first + row.inputs; });
            row.attempts = rest.first(static_cast<std::size_t>(last - rest.begin()));
            rest = rest.subspan(row.attempts.size());
            count(row);
            rows_.push_back(row);
        }
    }

    void count(input_row& row) {
        auto const upto = [this](std::size_t n) { return (n + every_ - 1) / every_; }; // of the first n, kept
        row.kept = upto(row.first + row.inputs) - upto(row.first);
        std::size_t ran = 0;
        for (auto rest = row.attempts; !rest.empty();) {
            auto const input = of_first_input(rest);
            rest = rest.subspan(input.size());
            ran += keeps(input.front().index) ? 1 : 0;
            for (auto const& a : input) {
                row.until = (std::max)(row.until, a.end);
                row.retries += a.number > 1 ? 1 : 0;
            }
            for_each_phase(input, [this](doing what, since_start, since_start, attempt const&) {
                does_[static_cast<std::size_t>(what)] = true;
            });
            if (auto const e = ending_of_input(input.back())) {
                ++row.ended[static_cast<std::size_t>(*e)];
            }
        }
        if (complete_ || every_ > 1) {
            row.ended[static_cast<std::size_t>(ending::not_started)] += row.kept - (std::min)(row.kept, ran);
        }
        for (std::size_t i = 0; i < endings; ++i) {
            ended_[i] += row.ended[i];
        }
    }

    std::optional<ending> ending_of_input(attempt const& last) const noexcept {
        if (last.running) {
            return ending::running;
        }
        if (!last.retried) {
            return ending_of(last.what);
        }
        if (!complete_ && !(every_ > 1 && keeps(last.index))) {
            return std::nullopt; // its further attempts may have been dropped
        }
        // It sleeps, or waits for a permit; or it did when the fan-out was stopped.
        return last.end <= finished_ ? ending::rejected : ending::running;
    }

    std::vector<attempt> attempts_;
    std::size_t every_;
    bool complete_;
    since_start finished_ = (since_start::min)();
    std::size_t shown_ = 0, beyond_ = 0, per_row_ = 1;
    std::vector<input_row> rows_;
    std::array<bool, doings> does_{};
    std::array<std::size_t, endings> ended_{};
};

} // namespace fanout::detail::waterfall
