// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out with a window of 64: 64 children are in flight, and each posts once.

#include "../support/children.hpp"

namespace window {

using namespace bench::children;

inline constexpr std::size_t width = 64;

inline concrete<void> concrete_loop(std::size_t n) {
    for (auto const i : inputs(n)) {
        co_await concrete_child(i);
    }
}

// The floor of coroutines is the loop in the unit of fanout_settled. GCC inlines without measure in a unit of less
// than 10,000 instructions (its large-unit-insns), as that of loop.cpp is: there the loop takes three quarters of what
// it takes in any unit that has a little more of Asio in it. Likewise for the concrete executor.
inline bench::config const config{.floor = "window/loop@beside"};
inline bench::config const on_threads{.floor = "window/loop@beside_threads"};
inline bench::config const of_concrete{.floor = "window/concrete_loop@beside"};

} // namespace window
