// SPDX-License-Identifier: BSL-1.0
#pragma once
// What became of the inputs under one strategy, and how long it took.

#include "strategy.hpp"

#include <chrono>
#include <cstddef>

namespace lab {

struct run_result {
    using duration = std::chrono::nanoseconds;

    strategy how;
    duration wall{};
    std::size_t inputs = 0;
    std::size_t fulfilled = 0;
    std::size_t rejected = 0;    // for good; timed out and cancelled ones included
    std::size_t not_started = 0; // because of the deadline, or since it was interrupted
    std::size_t attempts = 0;
    std::size_t overloads = 0; // attempts whose answer was that there is too much to do
    std::size_t peak_in_flight = 0;
    double mean_in_flight = 0;
    duration p50{}, p99{};    // of the attempts that were fulfilled; 0 where none was
    std::size_t held = 0;     // bytes of the results that were kept
    bool interrupted = false; // the figures are those until then

    double goodput() const { return per_second(fulfilled); } // fulfilled inputs per second
    double attempts_per_input() const { return inputs > 0 ? double(attempts) / double(inputs) : 0.0; }
    bool is_complete() const { return fulfilled == inputs; }

private:
    double per_second(std::size_t n) const {
        auto const seconds = std::chrono::duration<double>(wall).count();
        return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
    }
};

} // namespace lab
