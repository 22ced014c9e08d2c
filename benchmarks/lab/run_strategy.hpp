// SPDX-License-Identifier: BSL-1.0
#pragma once
// Runs one strategy: the same code in virtual time against the simulated backend, and in real time against a real one.

#include "endpoint.hpp"
#include "run_result.hpp"
#include "simulated_clock.hpp"
#include "strategy.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace lab {

// What is to be done, whatever the strategy.
struct workload {
    std::size_t inputs = 1000;
    std::optional<std::chrono::nanoseconds> deadline = std::nullopt;        // of the whole
    std::optional<std::chrono::nanoseconds> attempt_timeout = std::nullopt; // of one attempt
    std::size_t most_in_flight = 1000; // what an adaptive limit never goes above
    std::uint32_t seed = 1;            // of the jitter
};

// Runs all inputs. Terminal cancellation ends it early: the result says `interrupted`, and what there is until then.
// Instantiated for `simulated_clock` and `std::chrono::steady_clock`.
template <class Clock>
boost::asio::awaitable<run_result> run_strategy(strategy how, workload work, endpoint& to);

} // namespace lab
