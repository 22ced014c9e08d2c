// SPDX-License-Identifier: BSL-1.0
#pragma once

// Tells people how far a fan-out is: a line that is redrawn in place on a terminal, one line a minute elsewhere.

#include <fanout/detail/progress_output.hpp>
#include <fanout/detail/progress_text.hpp>
#include <fanout/observe/observer.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace fanout {

/// How progress is told. Trivially destructible, so that it may be written inside a `co_await` expression.
struct progress_options {
    /// Nothing is written, no timer is set.
    bool quiet = false;

    /// Where it is written; must outlive the `progress`. Written to from the threads of its executor, and at the end
    /// from the fan-out's own: a stream that others write to as well must allow that, as the standard ones do.
    std::ostream* output = &std::cerr;

    /// Whether that is a terminal. By default found out, for the standard streams on POSIX; any other is none.
    std::optional<bool> terminal = std::nullopt;

    /// On a terminal, the last line stays when the fan-out has ended. By default it is erased: the program's report
    /// takes its place.
    bool keep = false;

    /// What the inputs are, as "videos". It is copied.
    std::string_view what = {};

    /// Inputs that were done before this fan-out: counted as done and in the total, not in the rate.
    std::size_t already = 0;
};

namespace detail {

/// What a `progress` and its pending timer share.
template <class Clock>
class progress_state : public std::enable_shared_from_this<progress_state<Clock>> {
public:
    progress_state(boost::asio::any_io_executor executor, progress_options const& o)
        : executor_(std::move(executor)),
          already_(o.already),
          output_(*o.output, o.terminal, o.keep, o.what) {}

    // ---- hooks, which are called one at a time. These three count, and wait for nobody.

    void started(started_event const& e) noexcept {
        in_flight_.store(e.in_flight, std::memory_order_relaxed);
        if (e.attempt > 1) {
            increase(retries_, 1);
        }
    }

    void settled(settled_event const& e) noexcept {
        in_flight_.store(e.in_flight, std::memory_order_relaxed);
        if (!e.retried) {
            ended(1, e.what == state::fulfilled ? 0 : 1);
        }
    }

    void stopped() noexcept { stopping_.store(true, std::memory_order_relaxed); }

    // ---- and these two wait for a line that is being written.

    void begin(begun_event const& e) noexcept {
        end(nullptr); // an earlier one that was dropped
        for (auto* count : {&done_, &in_flight_, &retries_, &rejected_}) {
            count->store(0, std::memory_order_relaxed);
        }
        stopping_.store(false, std::memory_order_relaxed);
        std::lock_guard const lock(mutex_);
        rate_ = {};
        total_ = e.inputs;
        sampled_ = 0;
        sampled_at_ = Clock::now();
        try {
            auto timer = std::make_shared<timer_type>(executor_);
            timer_ = timer;
            wait(std::move(timer));
        } catch (...) { // no memory for a timer: the fan-out goes on without
        }
        running_ = true;
    }

    /// The fan-out has ended; without an event, it is no more or we are.
    void end(finished_event const* e) noexcept {
        if (e != nullptr) {
            ended(e->abandoned, e->abandoned);
        }
        std::lock_guard const lock(mutex_);
        if (!std::exchange(running_, false)) {
            return;
        }
        try {
            if (auto const timer = timer_.lock()) {
                timer_.reset(); // it does not draw, even where it is due already
                timer->cancel();
            }
            if (e != nullptr) {
                draw_last(*e);
            } else {
                output_.erase();
            }
        } catch (...) {
        }
    }

private:
    using timer_type = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>,
                                                         boost::asio::any_io_executor>;

    static void increase(std::atomic<std::size_t>& count, std::size_t by) noexcept {
        // No more than that: only hooks write.
        count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    void ended(std::size_t inputs, std::size_t rejected) noexcept {
        increase(done_, inputs);
        increase(rejected_, rejected);
    }

    /// The wait owns the timer, so that a context that is destroyed does away with both.
    void wait(std::shared_ptr<timer_type> timer) {
        auto& t = *timer;
        t.expires_after(output_.redraws() ? std::chrono::milliseconds(100) : std::chrono::minutes(1));
        t.async_wait([self = this->shared_from_this(),
                      timer = std::move(timer)](boost::system::error_code const& error) mutable {
            if (!error) {
                self->tick(std::move(timer));
            }
        });
    }

    void tick(std::shared_ptr<timer_type> timer) noexcept {
        std::lock_guard const lock(mutex_);
        if (timer != timer_.lock()) {
            return; // it ended meanwhile
        }
        try {
            draw();
        } catch (...) { // no memory for a line
        }
        try {
            wait(std::move(timer));
        } catch (...) { // nor for a timer: there is no further line
        }
    }

    void draw() {
        auto const now = Clock::now();
        auto const done = done_.load(std::memory_order_relaxed);
        rate_.add(done - std::exchange(sampled_, done), now - std::exchange(sampled_at_, now));
        auto n = numbers();
        n.per_second = rate_.per_second();
        output_.line(n);
    }

    void draw_last(finished_event const& e) {
        auto n = numbers();
        n.took = e.at;
        n.not_started = e.not_started;
        if (auto const done = done_.load(std::memory_order_relaxed); done != 0 && e.at.count() > 0) {
            n.per_second = static_cast<double>(done) / std::chrono::duration<double>(e.at).count();
        }
        output_.last_line(n);
    }

    progress_numbers numbers() const {
        progress_numbers n;
        n.done = already_ + done_.load(std::memory_order_relaxed);
        if (total_) {
            n.total = already_ + *total_;
        }
        n.in_flight = in_flight_.load(std::memory_order_relaxed);
        n.retries = retries_.load(std::memory_order_relaxed);
        n.rejected = rejected_.load(std::memory_order_relaxed);
        n.stopping = stopping_.load(std::memory_order_relaxed);
        return n;
    }

    boost::asio::any_io_executor const executor_;
    std::size_t const already_;
    std::atomic<std::size_t> done_{0}, in_flight_{0}, retries_{0}, rejected_{0};
    std::atomic<bool> stopping_{false};

    std::mutex mutex_; ///< of what follows
    std::weak_ptr<timer_type> timer_;
    std::optional<std::size_t> total_;
    recent_rate rate_;
    std::size_t sampled_ = 0; ///< how many were done when the rate was looked at
    typename Clock::time_point sampled_at_{};
    bool running_ = false;
    progress_output output_;
};

} // namespace detail

/// An observer that tells people how far a fan-out is.
///
///     fanout::progress line(executor, {.quiet = all.quiet, .what = "videos"});
///     co_await fanout::retry_rejected(videos, write, policy, fanout::limit(64), line);
///
///     612 of 1000 videos (61 %), 118/s, 64 in flight, 12 retries, 3 rejected, 4 s left
///
/// On a terminal that line is redrawn in place, ten times a second; where it is too long for the terminal, parts of it
/// are left out. Elsewhere there is one line a minute, and one at the end. Nothing is written when quiet.
///
/// Done are the inputs that have ended, the rejected ones among them. The rate is that of late: what was done s seconds
/// ago counts e^(-s/15 s); at first that is the mean of all the time. The time left is what the rest takes at that
/// rate. Where the number of inputs is not known there is no percentage, and no time left. The line at the end tells
/// the mean rate of all the time, and how long that was.
///
/// A timer draws, and the hooks only count. So a fan-out in which nothing moves is seen, too, and children never
/// wait for a terminal; but at the end the last line is written, or erased, before the fan-out completes. Handlers of
/// the timer run on `executor`: where that is the fan-out's own single thread, a terminal that is held (Ctrl-S) holds
/// the fan-out up as well.
///
/// Give it to one call at a time; a second call is counted anew.
///
/// @par Executor
///   The timer's handlers run on the constructor's, which something has to run, on any number of threads.
/// @par Thread safety
///   The fan-out may run on other threads than `executor`.
/// @par Exception safety
///   The constructor throws where there is no memory. A stream that fails, or throws, disturbs nobody, and is as
///   good as it was. But a pipe without a reader raises SIGPIPE on POSIX, which ends programs that do not ignore it.
/// @par Lifetimes
///   It may be destroyed while the timer is pending, and its context before it (not where `executor` is a strand:
///   strands must not outlive their context). When the fan-out has ended, it keeps no context running.
template <class Clock>
class basic_progress {
public:
    /// Writes nothing yet; `executor` is where the timer's handlers run.
    explicit basic_progress(boost::asio::any_io_executor executor, progress_options const& o = {})
        : state_(o.quiet ? nullptr
                         : std::make_shared<detail::progress_state<Clock>>(std::move(executor), o)) {}
    basic_progress(basic_progress&&) noexcept = default;
    basic_progress& operator=(basic_progress&&) = delete;
    ~basic_progress() {
        if (state_) {
            state_->end(nullptr);
        }
    }

    /// @name Hooks: see `observer`
    /// @{
    void on_begun(begun_event const& e) noexcept {
        if (state_) {
            state_->begin(e);
        }
    }
    void on_started(started_event const& e) noexcept {
        if (state_) {
            state_->started(e);
        }
    }
    void on_settled(settled_event const& e) noexcept {
        if (state_) {
            state_->settled(e);
        }
    }
    void on_stopped(stopped_event const&) noexcept {
        if (state_) {
            state_->stopped();
        }
    }
    void on_finished(finished_event const& e) noexcept {
        if (state_) {
            state_->end(&e);
        }
    }
    /// @}

private:
    std::shared_ptr<detail::progress_state<Clock>> state_;
};

/// By the steady clock.
using progress = basic_progress<std::chrono::steady_clock>;

} // namespace fanout
