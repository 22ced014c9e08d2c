// SPDX-License-Identifier: BSL-1.0
#pragma once

// The state machine of a fan-out: which input starts when, which is run again, when all has ended. No Asio, no
// clock, no thread: the shell tells it what happened and does what it answers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace fanout::detail {

/// Why nothing more starts. Sticky: the first cause stays.
enum class stop_cause : std::uint8_t { none, rejection, caller, deadline, source };

/// One attempt of one input.
struct ticket {
    std::size_t index = 0;
    std::uint32_t attempt = 0;
};

/// What a lane gets when it asks for work.
enum class grant : std::uint8_t {
    none,   ///< nothing to run or no permit: the lane ends
    fresh,  ///< pull the next input, then answer pulled() or source_ended()
    retry,  ///< run the input that `retry()` hands out
    parked, ///< run an input that was parked, then answer resumed()
};

/// What follows from a rejection.
enum class verdict : std::uint8_t {
    final, ///< the outcome stands
    stop,  ///< the outcome stands and ends the fan-out: cancel the others
    retry, ///< may be run again: ask for the delay, then answer sleep(), or not
};

/// What of the core a fan-out may use; the rest costs it nothing. `Sleeps`: inputs are run again. `Parks`: they may have to
/// wait after they were pulled. `Asks`: permits come from a limit that others share. `Counts`: there is a window.
template <bool Sleeps, bool Parks, bool Asks, bool Counts>
struct core_uses {
    static constexpr bool sleeps = Sleeps;
    static constexpr bool parks = Parks;
    static constexpr bool asks = Asks;
    static constexpr bool counts = Counts;
};
using all_of_the_core = core_uses<true, true, true, true>;

/// Events in, answers out. A permit is taken by `take()` and given back when its child settles or when there
/// was nothing to run. Lanes are counted from `lane_opened()` to `lane_ended()`, since a lane may end some time
/// after its last child; the fan-out is finished when no lane, no permit and nothing to run again is left.
///
/// Where permits come from a limit that others share, the shell gets one before it calls `take()`. While it waits for
/// one, from `asked()` to `answered()`, no lane is opened: a fan-out stands in a limit's line once.
///
/// An input may have to wait after it was pulled, for its key, or for a permit of its own weight: it is parked.
///
/// `Payload` is what the shell needs to run an input again; it rests here while the input sleeps.
template <class TimePoint, class Payload, class Uses = all_of_the_core>
class fan_core {
public:
    struct config {
        std::size_t window = 1;                  ///< permits
        bool fail_fast = false;                  ///< the first rejection stops all
        std::uint32_t max_attempts = 1;          ///< per input, the first included
        std::optional<TimePoint> deadline;       ///< no sleep passes it
        std::size_t lookahead = ~std::size_t{0}; ///< inputs that may be parked at once
    };

    explicit fan_core(config const& c) : config_(c) {}

    // ---- what the shell asks

    /// A further lane would have work: there is a permit, and something to run that is not known to be absent.
    bool wants_lane() const noexcept { return wants_work() && !asking(); }

    /// A lane that has a permit would have work.
    bool wants_work() const noexcept {
        return (!Uses::counts || running_ < config_.window) &&
               (may_pull() || (stop_ == stop_cause::none && (resumable() || ready())));
    }

    /// A permit that is waited for may still be of use.
    bool has_use_for_permit() const noexcept {
        return open_ || (stop_ == stop_cause::none && (any_parked() || ready()));
    }

    /// True once, when all has ended: the time to complete.
    bool finish() noexcept {
        auto const idle = running_ == 0 && lanes_ == 0 && sleeping() == 0 && !any_parked() && !asking();
        if (finished_ || !idle || open_) {
            return false;
        }
        return finished_ = true;
    }

    /// When to call timer_due(): none where nothing sleeps, or where an input that is due waits for a permit.
    std::optional<TimePoint> next_due() const {
        return sleeping() == 0 || ready() ? std::nullopt : std::optional<TimePoint>(sleeping_.front().due);
    }

    /// It is far from its end: children run, and no permit is waited for.
    bool busy() const noexcept { return running_ > 0 && !asking(); }

    bool exhausted() const noexcept { return exhausted_; }
    stop_cause stopped() const noexcept { return stop_; }
    std::size_t in_flight() const noexcept { return running_; }
    std::size_t pulled_count() const noexcept { return next_; }
    std::size_t skipped_count() const noexcept { return skipped_; }
    std::size_t abandoned() const noexcept { return abandoned_; }
    std::size_t sleeping() const noexcept { return Uses::sleeps ? sleeping_.size() : 0; }
    bool asking() const noexcept { return Uses::asks && asking_; }

    // ---- lanes and permits

    /// The shell waits for a permit of a shared limit; and does so no more.
    void asked() noexcept { asking_ = true; }
    void answered() noexcept { asking_ = false; }

    void lane_opened() noexcept { ++lanes_; }
    void lane_ended() noexcept { --lanes_; }

    /// A lane is free: what may it run? Inputs that were parked go first, then those whose sleep is over, then
    /// fresh ones.
    grant take() noexcept {
        if (!wants_work()) {
            return grant::none;
        }
        ++running_;
        return resumable() ? grant::parked : ready() ? grant::retry : grant::fresh;
    }

    /// The answer to `grant::fresh`: there was an input.
    ticket pulled() noexcept { return {next_++, 1}; }

    /// The answer to `grant::fresh`: there was none, and never will be. Where the source threw, the shell stops all, too.
    void source_ended() noexcept {
        no_more();
        --running_;
    }

    /// It is known that there is no further input, before anyone asked for it.
    void no_more() noexcept {
        exhausted_ = true;
        open_ = false;
    }

    /// The input that `grant::retry` means: the one that was due first.
    std::pair<ticket, Payload> retry() {
        std::pop_heap(sleeping_.begin(), sleeping_.end(), later{});
        auto s = std::move(sleeping_.back());
        sleeping_.pop_back();
        return {s.what, std::move(s.payload)};
    }

    /// What `take()` gave does not run after all, since the fan-out was stopped meanwhile.
    void skipped(ticket const& t) noexcept {
        --running_;
        ++(t.attempt > 1 ? abandoned_ : skipped_);
    }

    /// What `take()` gave has to wait, although it could run otherwise.
    void parked(ticket const& t) noexcept {
        --running_;
        ++parked_;
        parked_retries_ += t.attempt > 1 ? 1 : 0;
    }

    /// One of those that are parked may run.
    void may_resume() noexcept {
        if (parked_ > 0) { // else they were dropped by a stop
            --parked_;
            ++resumable_;
        }
    }

    /// The answer to `grant::parked`: which one it is.
    void resumed(ticket const& t) noexcept {
        --resumable_;
        parked_retries_ -= t.attempt > 1 ? 1 : 0;
    }

    // ---- children

    void fulfilled() noexcept { --running_; }

    /// Whether it depends on the rejection alone if this attempt is followed by another.
    bool has_attempts_left(ticket const& t) const noexcept {
        return !config_.fail_fast && stop_ == stop_cause::none && t.attempt < config_.max_attempts;
    }

    /// A child was rejected; `retryable` says whether its rejection is of a kind that may be run again.
    verdict rejected(ticket const& t, bool retryable) noexcept {
        --running_;
        if (config_.fail_fast) {
            stop(stop_cause::rejection);
            return verdict::stop;
        }
        return retryable && has_attempts_left(t) ? verdict::retry : verdict::final;
    }

    /// Whether an input may sleep until `due`: not where that passes the deadline, nor once all is stopped.
    bool may_sleep(TimePoint due) const noexcept {
        return stop_ == stop_cause::none && (!config_.deadline || due < *config_.deadline);
    }

    /// The answer to `verdict::retry`, where it may sleep. Without it the outcome stands.
    void sleep(ticket const& t, TimePoint due, Payload&& payload) {
        if (sleeping_.size() == sleeping_.capacity()) { // of 100,000 sleepers, doubling would waste half
            sleeping_.reserve(sleeping_.size() + sleeping_.size() / 4 + 16);
        }
        sleeping_.push_back({due, {t.index, t.attempt + 1}, std::move(payload)});
        std::push_heap(sleeping_.begin(), sleeping_.end(), later{});
    }

    /// The time is `now`: inputs due by then may run. True where there are any.
    bool timer_due(TimePoint now) noexcept {
        now_ = now;
        return ready();
    }

    /// Calls `f(payload)` for each input that sleeps.
    template <class F>
    void for_each_sleeping(F f) {
        for (auto& s : sleeping_) {
            f(s.payload);
        }
    }

    /// Nothing more starts, and what sleeps ends with the outcome that it has. True where this was the first.
    bool stop(stop_cause cause) noexcept {
        if (stop_ != stop_cause::none || finished_) {
            return false;
        }
        stop_ = cause;
        open_ = false;
        abandoned_ += sleeping_.size() + parked_retries_;
        skipped_ += parked_ + resumable_ - parked_retries_;
        parked_ = resumable_ = parked_retries_ = 0;
        sleeping_.clear();
        return true;
    }

private:
    struct sleeper {
        TimePoint due;
        ticket what;
        Payload payload;
    };

    /// Orders a heap such that the earliest is on top; equal times in the order of the inputs.
    struct later {
        bool operator()(sleeper const& a, sleeper const& b) const {
            return b.due < a.due || (!(a.due < b.due) && b.what.index < a.what.index);
        }
    };

    /// An input whose sleep is over waits for a permit.
    bool ready() const noexcept {
        return Uses::sleeps && now_ && !sleeping_.empty() && !(*now_ < sleeping_.front().due);
    }

    /// There may be a further input, and room for it if it must be parked.
    bool may_pull() const noexcept {
        return open_ && (!Uses::parks || parked_ + resumable_ < config_.lookahead);
    }

    bool resumable() const noexcept { return Uses::parks && resumable_ > 0; }
    bool any_parked() const noexcept { return Uses::parks && parked_ + resumable_ > 0; }

    config config_;
    std::size_t next_ = 0;
    std::size_t running_ = 0;
    std::size_t lanes_ = 0;
    std::size_t abandoned_ = 0;      ///< were to run again, and do not
    std::size_t skipped_ = 0;        ///< were pulled, and never ran
    std::size_t parked_ = 0;         ///< were pulled, and have to wait
    std::size_t resumable_ = 0;      ///< were parked, and may run now
    std::size_t parked_retries_ = 0; ///< those of the two that ran before
    stop_cause stop_ = stop_cause::none;
    bool exhausted_ = false;
    bool open_ = true; ///< neither stopped nor exhausted
    bool asking_ = false;
    bool finished_ = false;
    std::optional<TimePoint> now_;  ///< the last time that timer_due() told
    std::vector<sleeper> sleeping_; ///< a heap, the earliest on top
};

} // namespace fanout::detail
