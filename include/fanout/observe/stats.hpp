// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts and times of a fan-out, and how parallel it really was.

#include <fanout/detail/latency_histogram.hpp>
#include <fanout/detail/require.hpp>
#include <fanout/detail/stats_text.hpp>
#include <fanout/observe/observer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ostream>
#include <string>

namespace fanout {

/// An observer that counts. Give it to one call at a time; over several calls, one after another, it adds up.
///
///     fanout::stats st;
///     co_await fanout::when_all_settled(rows, write, fanout::limit(64), st);
///     std::cout << st << '\n' << st.effective_parallelism() << '\n';
///
/// prints, for example:
///
///     1,000 children: 990 fulfilled, 10 rejected (4 timed out). 1,012 attempts (12 retries) in 5.4 s, at most 64 in
///     flight, 61.3 side by side on average. An attempt took 5.1 ms (median), 9.8 ms (99 %), 12 ms at most; before, it
///     waited 2.6 s for its turn on average.
///
/// @par Thread safety
/// Read it when the fan-out has completed, not while it runs.
/// @par Memory
/// 24 KiB, whatever it has seen; no hook allocates. It can be copied.
class stats : public detail::in_words<stats> {
    friend detail::in_words<stats>;

public:
    using duration = std::chrono::nanoseconds;

    /// Attempts that started: each first one and each retry.
    std::size_t started() const noexcept { return started_; }
    /// Inputs that ended with a value.
    std::size_t fulfilled() const noexcept { return fulfilled_; }
    /// Inputs that ran and ended without one; timed out and cancelled ones included.
    std::size_t rejected() const noexcept { return rejected_; }
    /// Those of `rejected()` whose last attempt was ended by its timeout or the deadline.
    std::size_t timed_out() const noexcept { return timed_out_; }
    /// Those of `rejected()` that were cancelled by the caller or by a sibling.
    std::size_t cancelled() const noexcept { return cancelled_; }
    /// Attempts that were not an input's first.
    std::size_t retried() const noexcept { return retried_; }
    /// Inputs that never ran.
    std::size_t not_started() const noexcept { return not_started_; }
    /// The most children that were in flight at once.
    std::size_t peak_in_flight() const noexcept { return peak_; }
    /// From the start of the fan-out to its end.
    duration wall_time() const noexcept { return wall_; }
    /// The time of all attempts together, each from its start (with a permit) until it settled.
    duration child_time() const noexcept { return child_; }

    /// The time that all attempts together waited for their turn, for a permit as a rule: a first attempt from the
    /// start of the fan-out, a retry from the end of its sleep.
    duration waited() const noexcept { return waited_; }
    /// The mean of that; 0 where nothing started.
    duration mean_waited() const noexcept {
        return started_ > 0 ? waited_ / static_cast<duration::rep>(started_) : duration::zero();
    }
    /// The least that an attempt took which settled; 0 where none did.
    duration fastest() const noexcept { return latencies_.least(); }
    /// The most; 0 where none did.
    duration slowest() const noexcept { return latencies_.most(); }

    /// What the share `q` of all attempts did not exceed: 0.5 the median, 0.99 "p99". An attempt's time is that from
    /// its start, with a permit, until it settled; all that settled count, rejected and cancelled ones and those that
    /// were run again included. 0 where none settled.
    ///
    /// It is the nearest-rank quantile with a relative error of at most 1/128 (0.8 %), exact below 128 ns and for
    /// `fastest()` and `slowest()`. Where it is more than 6.4 days, it is `slowest()`.
    ///
    /// @throws std::invalid_argument where `q` is not in [0, 1]
    duration quantile(double q) const {
        detail::require(q >= 0 && q <= 1, "stats::quantile", "q must be in [0, 1]: 0.99, not 99");
        return latencies_.quantile(q);
    }

    /// `child_time() / wall_time()`: how many children ran side by side on average; 0 before any time has passed.
    ///
    /// It counts the time with a permit. A child that queues inside a connection it shares with others looks busy
    /// while it waits, and this figure cannot tell: 10 statements on one connection under `limit(10)` show up to 10
    /// although the server runs one after another; `text()` tells where it looks like that. Where the connection
    /// itself is the limit, one permit per connection, the figure is 1.0 for one connection, and true.
    double effective_parallelism() const noexcept {
        return wall_.count() > 0 ? static_cast<double>(child_.count()) / static_cast<double>(wall_.count())
                                 : 0.0;
    }

    /// One paragraph for people. Where hardly more than one ran at a time, though there were more, it says so and
    /// what usually causes that; where it merely looks like it, since the children queue inside something that they
    /// share, it says that it looks so. The words may change; programs ask the functions above. No locale matters.
    using detail::in_words<stats>::text;

    /// Writes `text()`.
    template <class Traits>
    friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out,
                                                        stats const& s) {
        return out << s.text();
    }

    /// @name Hooks: see `observer`
    /// @{
    void on_started(started_event const& e) noexcept {
        ++started_;
        retried_ += e.attempt > 1 ? 1 : 0;
        peak_ = (std::max)(peak_, e.in_flight);
        waited_ += e.waited;
        note_time(e.at, e.in_flight - 1);
    }

    void on_settled(settled_event const& e) noexcept {
        child_ += e.elapsed;
        first_ = latencies_.count() == 0 ? e.elapsed : first_;
        latencies_.add(e.elapsed);
        gaps_.add(e.at - last_settled_);
        last_settled_ = e.at;
        note_time(e.at, e.in_flight + 1);
        if (e.retried) {
            return;
        }
        if (e.what == state::fulfilled) {
            ++fulfilled_;
            return;
        }
        ++rejected_;
        timed_out_ += e.what == state::timed_out ? 1 : 0;
        cancelled_ += e.what == state::cancelled ? 1 : 0;
    }

    void on_limit(limit_event const& e) noexcept {
        limit_ = (std::max)(limit_, e.limit);
        limit_told_ = true;
    }

    void on_finished(finished_event const& e) noexcept {
        not_started_ += e.not_started;
        rejected_ += e.abandoned;
        wall_ += e.at;
        limit_known_ = limit_known_ && limit_told_;
        limit_told_ = false;
        ++calls_;
        last_settled_ = {};
    }
    /// @}

private:
    /// For `text`.
    template <class Numbers>
    Numbers numbers() const {
        Numbers n;
        n.fulfilled = fulfilled_, n.rejected = rejected_, n.timed_out = timed_out_, n.cancelled = cancelled_;
        n.not_started = not_started_, n.attempts = started_, n.retries = retried_;
        n.settled = static_cast<std::size_t>(latencies_.count()), n.calls = calls_;
        n.peak = peak_, n.limit = limit_known_ ? limit_ : 0;
        n.wall = wall_, n.child = child_, n.waited = waited_, n.alone = alone_;
        n.fastest = fastest(), n.median = quantile(0.5), n.high = quantile(0.99), n.slowest = slowest();
        n.third = latencies_.ranked(2 * calls_ + 1), n.first = first_, n.gap = gaps_.quantile(0.5);
        n.low_gap = gaps_.quantile(0.1), n.high_gap = gaps_.quantile(0.9);
        return n;
    }

    /// So many were in flight until now.
    void note_time(since_start at, std::size_t in_flight) noexcept {
        alone_ += in_flight == 1 ? at - last_event_ : duration::zero();
        last_event_ = at;
    }

    std::size_t started_ = 0, fulfilled_ = 0, rejected_ = 0, timed_out_ = 0, cancelled_ = 0;
    std::size_t retried_ = 0, not_started_ = 0, peak_ = 0;
    std::size_t limit_ = 0;                        ///< the highest that was told
    std::size_t calls_ = 0;                        ///< that have finished
    bool limit_told_ = false, limit_known_ = true; ///< in this call; in each one that has finished
    duration wall_{}, child_{}, waited_{};
    duration alone_{}; ///< one was in flight
    duration first_{}; ///< what the attempt took that settled first
    since_start last_event_{}, last_settled_{};
    detail::latency_histogram<6> latencies_;
    detail::latency_histogram<2> gaps_; ///< from the end of one to that of the next
};

} // namespace fanout
