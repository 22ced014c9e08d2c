// SPDX-License-Identifier: BSL-1.0
#pragma once

// Counts and times of a fan-out, and how parallel it really was.

#include <fanout/observe/observer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace fanout {

/// An observer that counts. Give it to one call at a time; over several calls, one after another, it adds up.
///
///     fanout::stats st;
///     co_await fanout::when_all_settled(rows, write, fanout::limit(64), st);
///     std::cout << st.effective_parallelism();
///
/// @par Thread safety
/// Read it when the fan-out has completed, not while it runs.
class stats {
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

    /// `child_time() / wall_time()`: how many children ran side by side on average; 0 before any time has passed.
    ///
    /// It counts the time with a permit. A child that queues inside a connection it shares with others looks
    /// busy while it waits, and no clock can tell: 10 statements on one connection under `limit(10)` show up to
    /// 10 although the server runs one after another. Where the connection itself is the limit, one permit
    /// per connection, the figure is 1.0 for one connection, and true.
    double effective_parallelism() const noexcept {
        return wall_.count() > 0 ? static_cast<double>(child_.count()) / static_cast<double>(wall_.count())
                                 : 0.0;
    }

    void on_started(started_event const& e) noexcept {
        ++started_;
        retried_ += e.attempt > 1 ? 1 : 0;
        peak_ = (std::max)(peak_, e.in_flight);
    }

    void on_settled(settled_event const& e) noexcept {
        child_ += e.elapsed;
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

    void on_finished(finished_event const& e) noexcept {
        not_started_ += e.not_started;
        rejected_ += e.abandoned;
        wall_ += e.at;
    }

private:
    std::size_t started_ = 0, fulfilled_ = 0, rejected_ = 0, timed_out_ = 0, cancelled_ = 0;
    std::size_t retried_ = 0, not_started_ = 0, peak_ = 0;
    duration wall_{}, child_{};
};

} // namespace fanout
