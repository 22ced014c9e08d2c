// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that complete at once, without a limit: what a fan-out costs where there is nothing to wait for.

#include "../support/children.hpp"

namespace ready {

using namespace bench::children;

/// The same children one after another.
inline asio::awaitable<void> loop(std::size_t n) {
    for (auto const i : inputs(n)) {
        co_await ready_child(i);
    }
}

// The floor is the loop in the unit of fanout_settled: see window/workload.hpp.
inline bench::config const config{.floor = "ready/loop@beside"};

} // namespace ready
