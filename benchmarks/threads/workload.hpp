// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that only compute, some 10 µs each, on pools of 1, 2, 4… threads: up to as many as there are
// processors, and at least 2. The floor is a loop on one thread. What is told is wall time.

#include "../support/bench.hpp"

#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

namespace threads {

namespace asio = boost::asio;

inline auto inputs(std::size_t n) { return std::views::iota(std::size_t{0}, n); }

/// Each step needs the one before: no compiler shortens it, and no processor runs two at once.
inline std::uint64_t compute(std::size_t i) {
    std::uint64_t x = i + 1;
    for (int step = 0; step < 12'000; ++step) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

/// What the children must have computed, all together; kept for the next run of as many.
inline void check(std::uint64_t sum, std::size_t n) {
    static std::uint64_t expected = 0;
    static std::size_t of = 0;
    if (of != n) {
        of = n;
        expected = 0;
        for (auto const i : inputs(n)) {
            expected += compute(i);
        }
    }
    bench::require(sum == expected, "each child has computed its share");
}

inline bench::config const config{
    .floor = "threads/loop", .sizes = {2'048}, .time = bench::time_by::run_itself};

/// Registers "threads/<contender>@<threads>" for each size of a pool. `run(pool, threads, n)` runs n children,
/// and returns the sum of what they computed. The making and the ending of the pool's threads is not measured.
struct sweep {
    explicit sweep(std::string const& contender,
                   std::uint64_t (*run)(asio::thread_pool&, std::size_t, std::size_t)) {
        auto const processors = (std::max)(std::size_t{std::thread::hardware_concurrency()}, std::size_t{2});
        for (std::size_t size = 1; size <= processors; size *= 2) {
            bench::contender("threads/" + contender + '@' + std::to_string(size), config,
                             [run, size](std::size_t n) {
                                 asio::thread_pool pool(size);
                                 auto const begin = std::chrono::steady_clock::now();
                                 auto const sum = run(pool, size, n);
                                 bench::took(std::chrono::steady_clock::now() - begin);
                                 check(sum, n);
                             });
        }
    }
};

} // namespace threads
