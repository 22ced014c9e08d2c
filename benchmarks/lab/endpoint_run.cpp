// SPDX-License-Identifier: BSL-1.0
#include "endpoint_run.hpp"

#include "../../examples/adapters/describe.hpp"
#include "endpoint_measure.hpp"
#include "text.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

namespace lab {

namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;

// SIGINT and SIGTERM cancel what runs; what cleans up is cancelled by the second of them only.
class interruption {
public:
    explicit interruption(asio::io_context& io) : signals_(io, SIGINT, SIGTERM) {}

    // Runs it to its end; what it throws is returned.
    std::exception_ptr run(asio::io_context& io, asio::awaitable<void> what, bool cleans_up = false) {
        std::exception_ptr failure;
        cleans_up_ = cleans_up;
        wait();
        asio::co_spawn(io, std::move(what),
                       asio::bind_cancellation_slot(cancel_.slot(), [&](std::exception_ptr thrown) {
                           failure = thrown;
                           signals_.cancel();
                       }));
        io.restart();
        io.run();
        return failure;
    }

    int signal() const { return signal_; } // the first one; 0: none

private:
    void wait() {
        signals_.async_wait([this](boost::system::error_code error, int number) {
            if (error)
                return;
            bool const is_first = std::exchange(signal_, signal_ == 0 ? number : signal_) == 0;
            wait();
            if (!is_first || !cleans_up_)
                cancel_.emit(asio::cancellation_type::terminal);
        });
    }

    asio::signal_set signals_;
    asio::cancellation_signal cancel_;
    int signal_ = 0;
    bool cleans_up_ = false;
};

// A line on a terminal that is written over and over, for what takes its time.
class status_line {
public:
    void say(std::string const& what) {
        if (on_)
            std::cerr << "\r\x1b[K" << what << std::flush;
    }
    ~status_line() { say(""); }

private:
    bool on_ = ::isatty(STDERR_FILENO) == 1;
};

class job {
public:
    job(server& to, real_run const& what) : to_(to), what_(what), rounds_(what.strategies.size()) {}

    asio::awaitable<void> go() {
        status_.say("preparing " + to_.where());
        co_await to_.prepare();
        note(count_text(to_.connections()) + " connections, table " + to_.table());
        if (what_.measures)
            co_await measure_it();
        for (std::size_t round = 1; round <= what_.rounds; ++round) {
            for (std::size_t i = 0; i < what_.strategies.size(); ++i) {
                if (!co_await run_one(i, round))
                    co_return;
            }
        }
        for (auto& all : rounds_) {
            if (!all.empty())
                tell(best(all));
        }
        co_await count();
    }

    real_run_result result() && { return std::move(result_); }

private:
    void note(std::string const& line) {
        status_.say("");
        if (what_.out)
            *what_.out << line << std::endl;
    }

    void tell(run_result const& r) {
        status_.say("");
        result_.results.push_back(r);
        what_.tell(r);
    }

    asio::awaitable<void> measure_it() {
        status_.say("measuring how long a call takes");
        auto const step = [this](std::size_t window, double rate) {
            status_.say("looking for the capacity: " + count_text(window) + " in flight, " +
                        number_text(rate) + " per second");
        };
        result_.times = co_await measure(to_, step);
        auto const& found = *result_.times;
        auto const mean = std::chrono::duration<double>(found.mean()).count();
        note("measured: " + count_text(found.calls()) + " calls, one at a time, took " +
             time_text(found.mean()) + " on average (p99 " + time_text(found.quantile(0.99)) + "); at most " +
             number_text(found.capacity / mean) + " per second, as many as " + number_text(found.capacity) +
             " such calls at once");
    }

    // False: it was interrupted.
    asio::awaitable<bool> run_one(std::size_t i, std::size_t round) {
        auto const& how = what_.strategies[i];
        status_.say((what_.rounds > 1
                         ? "round " + std::to_string(round) + " of " + std::to_string(what_.rounds) + ": "
                         : std::string()) +
                    how.name());
        auto r = co_await run_strategy<clock>(how, what_.work, to_);
        if (r.interrupted) {
            tell(r);
            co_return false;
        }
        if (r.fulfilled == 0 && r.attempts > 0)
            co_await to_.ping(); // rather than one row of failures after another
        rounds_[i].push_back(std::move(r));
        if (what_.rounds == 1) {
            tell(rounds_[i].front());
            rounds_[i].clear();
        }
        co_return true;
    }

    // Whatever else runs on the machine slows a run down, and never speeds one up.
    static run_result const& best(std::vector<run_result> const& all) {
        return *std::ranges::max_element(all, {}, &run_result::goodput);
    }

    asio::awaitable<void> count() {
        for (auto const& [what, times] : to_.errors())
            note(count_text(times) + " × " + what);
        if (to_.refused() > 0)
            note(count_text(to_.refused()) + " calls got no connection");
        auto const seen = co_await to_.updates();
        if (!seen)
            co_return;
        if (*seen < to_.succeeded())
            throw std::runtime_error(to_.where() + " counts " + count_text(*seen) + " updates, but " +
                                     count_text(to_.succeeded()) + " calls succeeded: some were lost");
        note("the server counts " + count_text(*seen) + " updates; " + count_text(to_.succeeded()) +
             " calls succeeded");
    }

    server& to_;
    real_run const& what_;
    std::vector<std::vector<run_result>> rounds_; // of each strategy, not told yet
    status_line status_;
    real_run_result result_;
};

} // namespace

real_run_result run_against(asio::io_context& io, server& to, real_run const& what) {
    interruption stop(io);
    job all(to, what);
    auto const failure = stop.run(io, all.go());
    bool const is_error = failure && stop.signal() == 0;
    if (auto const left = stop.run(io, to.remove(), true)) {
        auto const why = is_error ? adapters::describe(failure) + "; and t" : std::string("t");
        throw std::runtime_error(
            why + "he table " + to.table() +
            " may be left over, for it could not be dropped: " + adapters::describe(left));
    }
    if (is_error)
        std::rethrow_exception(failure);
    auto out = std::move(all).result();
    out.signal = stop.signal();
    return out;
}

} // namespace lab
