// SPDX-License-Identifier: BSL-1.0
#pragma once

// A record of what a fan-out did, in bounded memory. `write_chrome_trace` and `write_waterfall` draw it.

#include <fanout/detail/level_series.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/stats.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace fanout {

/// An observer that remembers each attempt: when it could have run, when it did, on which lane, what became of it.
///
///     fanout::recording rec;
///     co_await fanout::when_all_settled(rows, write, fanout::limit(64), rec);
///     std::ofstream file("writes.svg");
///     fanout::write_waterfall(file, rec);
///
/// Give it to one call at a time. A further call is put behind what is there, in time and in the indexes of its inputs.
/// A loop that is no fan-out can be recorded, too, by calling the hooks.
///
/// @par Thread safety
/// Read it when the fan-out has completed, not while it runs; one that was left in the middle, since its context was
/// destroyed, can be read as far as it got. Two calls at once would be a muddle, on several threads a data race.
/// @par Exception safety
/// An attempt for which there is no memory is dropped, and counted as such.
/// @par Memory
/// At most about `max_attempts` × 60 bytes for what has ended, 32 for what runs, 8 for what sleeps, and those of
/// `stats`. Where there are more attempts, each second input is forgotten, again and again: the record still spans the
/// whole time, and `every()` and `dropped()` say what is missing. `totals()` is of all.
class recording {
public:
    /// How much is kept.
    struct options {
        std::size_t max_attempts = 262'144; ///< kept; at least 1
        std::size_t max_levels = 4'096;     ///< steps of `levels()`; at least 2
    };

    /// One attempt of an input. Times are from the start of the recording.
    struct attempt {
        std::size_t index;
        std::uint32_t number; ///< 1 for the first
        std::uint32_t lane;   ///< attempts of one lane do not overlap
        since_start ready;    ///< from then on it waited for a permit
        since_start start;
        since_start end;
        state what;
        error_code error; ///< of more than 256 different ones the later are not kept
        bool running;     ///< it has not ended: `end` is the last time known, `what` says nothing
        bool retried;     ///< it was to be run again
        bool overloaded;
    };

    /// How much was in flight from a point in time until the next one.
    using level = detail::level;

    /// Something that happened to the fan-out as a whole.
    struct mark {
        /// What happened.
        enum kind : std::uint8_t { begun, stopped, cancelled, finished };
        kind what;
        stop_reason why; ///< of `stopped` and `cancelled`
        since_start at;
    };

    recording() : recording(options{}) {} ///< with the defaults
    /// An empty one; 0 attempts count as 1.
    explicit recording(options const& o)
        : max_attempts_((std::max)(o.max_attempts, std::size_t{1})), levels_(o.max_levels) {}

    /// What is kept, by index and number.
    std::vector<attempt> attempts() const {
        std::vector<attempt> out;
        out.reserve(kept_.size());
        for (auto const& k : kept_) {
            auto const error = k.error < errors_.size() ? errors_[k.error] : error_code();
            out.push_back({k.index, k.number, k.lane, k.ready, k.start, k.end, static_cast<state>(k.what),
                           error, false, k.retried, k.overloaded});
        }
        for (std::size_t i = 0; i < running_.size(); ++i) {
            auto const& r = running_[i];
            if (r.number != 0 && (r.index % every_ == 0 || r.number > 1)) {
                out.push_back({r.index,
                               r.number,
                               static_cast<std::uint32_t>(i),
                               r.ready,
                               r.start,
                               end_,
                               state::not_started,
                               {},
                               true,
                               false,
                               false});
            }
        }
        std::sort(out.begin(), out.end(), [](attempt const& a, attempt const& b) {
            return std::tie(a.index, a.number) < std::tie(b.index, b.number);
        });
        return out;
    }

    /// What was in flight over time, in the order of time; the last one holds until `end()`.
    std::vector<level> const& levels() const noexcept { return levels_.levels(); }
    /// The first thousand, and the last one.
    std::vector<mark> const& marks() const noexcept { return marks_; }
    /// Counts and times of all attempts, those that are not kept included.
    stats const& totals() const noexcept { return totals_; }
    /// How many inputs there are, where that is known.
    std::optional<std::size_t> inputs() const noexcept {
        return inputs_ ? std::optional(first_index_ + *inputs_) : std::nullopt;
    }
    /// One more than the highest index of those that ran.
    std::size_t inputs_seen() const noexcept { return inputs_seen_; }
    /// The last time known; of a fan-out that has ended its end.
    since_start end() const noexcept { return end_; }
    /// Attempts that ended and are not kept.
    std::size_t dropped() const noexcept { return dropped_; }
    /// n: of each n inputs one is kept, that with an index divisible by n; and some of those that were rejected or
    /// run again. 1: all are.
    std::size_t every() const noexcept { return every_; }

    /// @name Hooks: see `observer`
    /// @{
    void on_begun(begun_event const& e) noexcept {
        started_at_ = end_;
        first_index_ = (std::max)(inputs_seen_, first_index_ + inputs_.value_or(0));
        inputs_ = e.inputs;
        waiting_ = e.inputs.value_or(0);
        due_ = 0;
        limit_.reset();
        running_.clear();
        sleeping_ = {};
        note({mark::begun, {}, end_});
        add_level(0, {});
    }

    void on_limit(limit_event const& e) noexcept {
        totals_.on_limit(e);
        limit_ = e.limit;
        add_level(in_flight_, e.at);
    }

    void on_started(started_event const& e) noexcept {
        totals_.on_started(e);
        auto const index = first_index_ + e.index;
        note_input(index);
        (e.attempt > 1 ? due_ : waiting_) -= (e.attempt > 1 ? due_ : waiting_) > 0 ? 1 : 0;
        add_level(e.in_flight, e.at);
        if (e.lane >= max_attempts_) {
            return;
        }
        try {
            if (e.lane >= running_.size()) {
                running_.resize((std::min)(max_attempts_, std::size_t{e.lane} + e.lane / 2 + 1));
            }
            running_[e.lane] = {index, started_at_ + e.at - e.waited, started_at_ + e.at, e.attempt};
        } catch (...) { // it will be seen when it ends
        }
    }

    void on_settled(settled_event const& e) noexcept {
        totals_.on_settled(e);
        add_level(e.in_flight, e.at);
        if (e.lane < running_.size()) {
            running_[e.lane].number = 0;
        }
        auto const index = first_index_ + e.index;
        note_input(index);
        try {
            auto const end = started_at_ + e.at;
            auto const start = end - e.elapsed;
            keep({index, start - e.waited, start, end, e.attempt, e.lane, number_of(e.error),
                  static_cast<std::uint8_t>(e.what), e.retried, e.overloaded});
        } catch (...) {
            ++dropped_;
        }
    }

    void on_retry(retry_event const& e) noexcept {
        if (sleeping_.size() < max_attempts_) {
            try {
                sleeping_.push(e.at + e.delay);
            } catch (...) { // then it does not count as queued
            }
        }
    }

    void on_stopped(stopped_event const& e) noexcept {
        note({e.cancels ? mark::cancelled : mark::stopped, e.why, started_at_ + e.at});
        waiting_ = due_ = 0;
        sleeping_ = {};
        add_level(in_flight_, e.at);
    }

    void on_finished(finished_event const& e) noexcept {
        totals_.on_finished(e);
        waiting_ = due_ = 0;
        add_level(0, e.at);
        note({mark::finished, {}, end_});
    }
    /// @}

private:
    struct kept_attempt {
        std::size_t index;
        since_start ready, start, end;
        std::uint32_t number, lane;
        std::uint16_t error;
        std::uint8_t what; ///< a `state`, which is an int
        bool retried : 1, overloaded : 1;

        /// Of more interest than the others.
        bool notable() const noexcept { return static_cast<state>(what) != state::fulfilled || number > 1; }
    };
    static_assert(sizeof(kept_attempt) <= 48);
    struct running_attempt {
        std::size_t index = 0;
        since_start ready{}, start{};
        std::uint32_t number = 0; ///< 0: none runs on this lane
    };
    static constexpr std::size_t max_errors = 256, max_marks = 1'024;

    void note_input(std::size_t index) noexcept {
        constexpr auto most = ~std::size_t{0} / 2; // a caller's -1 shall make nothing overflow
        inputs_seen_ = (std::max)(inputs_seen_, (std::min)(index, most) + 1);
    }

    void keep(kept_attempt const& k) {
        auto const regular = k.index % every_ == 0;
        if (!regular && !(k.notable() && notables_ < max_attempts_ / 4)) {
            ++dropped_;
            return;
        }
        if (kept_.size() >= max_attempts_) {
            if (every_ >= inputs_seen_) { // it is all attempts of one input
                ++dropped_;
                return;
            }
            thin_out();
            return keep(k);
        }
        kept_.push_back(k);
        notables_ += regular ? 0 : 1;
    }

    /// Forgets each second of the inputs that are left.
    void thin_out() noexcept {
        every_ *= 2;
        notables_ = 0;
        auto const forget = [this](kept_attempt const& k) {
            if (k.index % every_ == 0) {
                return false;
            }
            if (k.notable() && notables_ < max_attempts_ / 4) {
                ++notables_;
                return false;
            }
            return true;
        };
        dropped_ += std::erase_if(kept_, forget);
    }

    std::uint16_t number_of(error_code const& e) {
        auto const at = std::find(errors_.begin(), errors_.end(), e);
        auto const n = static_cast<std::uint16_t>(at - errors_.begin());
        if (e && at == errors_.end() && errors_.size() < max_errors) {
            errors_.push_back(e);
        }
        return e ? n : static_cast<std::uint16_t>(max_errors);
    }

    void add_level(std::size_t in_flight, since_start at) noexcept {
        in_flight_ = in_flight;
        for (; !sleeping_.empty() && sleeping_.top() <= at; sleeping_.pop()) {
            ++due_;
        }
        end_ = (std::max)(end_, started_at_ + at);
        try {
            levels_.add({end_, in_flight, in_flight, waiting_ + due_, limit_});
        } catch (...) { // the level before goes on
        }
    }

    void note(mark const& m) noexcept {
        if (marks_.size() >= max_marks) {
            marks_.back() = m;
            return;
        }
        try {
            marks_.push_back(m);
        } catch (...) { // a mark less
        }
    }

    std::size_t max_attempts_;
    stats totals_;
    std::deque<kept_attempt> kept_; ///< so that growing copies nothing
    std::vector<running_attempt> running_;
    std::vector<error_code> errors_;
    detail::level_series levels_;
    std::vector<mark> marks_;
    std::priority_queue<since_start, std::vector<since_start>, std::greater<>>
        sleeping_; ///< when they are due
    std::optional<std::size_t> inputs_, limit_;
    since_start started_at_{}, end_{};
    std::size_t first_index_ = 0, inputs_seen_ = 0, in_flight_ = 0;
    std::size_t waiting_ = 0, due_ = 0; ///< inputs that wait for their first permit, and for a further one
    std::size_t every_ = 1, dropped_ = 0, notables_ = 0;
};

/// A recording with its name, as the pictures of several show it.
struct named_recording {
    std::string_view name;
    recording const& what;
    std::function<std::string(std::size_t index)>
        label{}; ///< of an input; where it is empty, as in all recordings
};

} // namespace fanout
