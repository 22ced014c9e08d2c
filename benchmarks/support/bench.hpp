// SPDX-License-Identifier: BSL-1.0
#pragma once

// The frame of the benchmarks: a contender says what it runs, and support/main.cpp times it, runs it once for
// callgrind, or counts its allocations.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

namespace asio = boost::asio;

/// Which time counts.
enum class time_by {
    processor, ///< what the thread of main spends
    wall,      ///< for work on several threads
    run_itself ///< what the run tells by took()
};

/// What the contenders of a workload have in common: one object for each workload, in its workload.hpp.
struct config {
    std::string floor; ///< what the others are compared with: "window/loop"
    std::vector<std::size_t> sizes = {
        10000};                 ///< each is timed; the first is what instructions are counted at
    std::string each = "child"; ///< what one of `n` is
    time_by time = time_by::processor;
    std::size_t result_bytes = 0; ///< sizeof what is kept of each child
};

/// Something that is measured: `run(n)` does it with `n` children, from the making of its context to the end of the
/// last child. A program registers it by an object at namespace scope:
///
///     bench::contender const contender("window/loop", window::config, bench::one<loop>);
///
/// The name is the workload and the contender, the program is `bench_<workload>_<contender>`. Where a program has
/// several, each says behind an '@' which it is: "window/loop@threads", "width/fanout_all@1000".
struct contender {
    contender(std::string its_name, config const& its_config, std::function<void(std::size_t)> its_run);

    std::string name;
    config settings;
    std::function<void(std::size_t)> run;
};

/// A benchmark that does something else than it says is no measurement: ends the program.
inline void require(bool held, char const* what) {
    if (!held) {
        std::fprintf(stderr, "benchmark: not so: %s\n", what);
        std::abort();
    }
}

/// The time of the run that goes on, where it is not that of all it does: see time_by::run_itself.
void took(std::chrono::duration<double> time);

/// Spawns `awaitable` and runs `context` until there is nothing more to do.
template <class Executor>
void run_in(asio::io_context& context, asio::awaitable<void, Executor> awaitable) {
    bool ended = false;
    asio::co_spawn(context.get_executor(), std::move(awaitable), [&ended](std::exception_ptr e) {
        if (e) {
            std::rethrow_exception(e);
        }
        ended = true;
    });
    context.run();
    require(ended, "the coroutine ended");
}

/// Runs the coroutine `Body(n)` in an `io_context(1)`: serial by itself.
template <auto Body>
    requires std::invocable<decltype(Body), std::size_t>
void one(std::size_t n) {
    asio::io_context context(1);
    run_in(context, Body(n));
}

/// Runs it in an `io_context` that several threads may run, so that a strand is needed; one runs it.
template <auto Body>
    requires std::invocable<decltype(Body), std::size_t>
void threads(std::size_t n) {
    asio::io_context context;
    run_in(context, Body(n));
}

} // namespace bench
