// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a limit is told when a permit comes back.

#include <fanout/outcome.hpp>

#include <chrono>
#include <cstdint>

namespace fanout {

/// What the child that held a permit says about the load of what it called.
///
/// Trivially destructible; written as `feedback{feedback::success, latency, state::fulfilled}`.
struct feedback {
    /// What it says.
    enum kind : std::uint8_t {
        success,    ///< it was served: its latency counts
        ignored,    ///< it says nothing: an error of its own, cancelled, or it never ran
        overloaded, ///< it was turned away, or timed out, because there was too much to do
    };

    kind what = ignored;
    std::chrono::nanoseconds latency{}; ///< from its start until it settled; 0 where it was not measured
    fanout::state ended = fanout::state::not_started; ///< `not_started`: the permit was not used
};

} // namespace fanout
