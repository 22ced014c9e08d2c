// SPDX-License-Identifier: BSL-1.0
#pragma once

// A limit that grows until calls are turned away: for a backend that rejects what is too much.

#include <fanout/limit/algorithm/checks.hpp>
#include <fanout/limit/algorithm/sample.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fanout {

/// Additive increase, multiplicative decrease. Latency tells it nothing.
///
/// - Overload: L ← ⌊`backoff` · L⌋.
/// - Else, where at least half of L was in use: until the first overload L ← 2 L (slow start), after it L ←
///   L + s, where the step s is 1, and doubles with every `patience` such round trips since the last
///   overload.
///
/// The decrease and the condition of the increase are those of Netflix' concurrency-limits (`AIMDLimit`),
/// which adds 1 for each call rather than each round trip; slow start is RFC 5681's. The step that grows is
/// ours: with +1 alone a limit of 100 needs 50 round trips for half as much again. A step grows with time
/// since congestion in CUBIC (RFC 9438) too.
class aimd {
public:
    /// What it may be told; each has a default.
    struct options {
        std::size_t minimum = 1;     ///< the limit never goes below; at least 1
        std::size_t maximum = 1000;  ///< the limit never goes above
        std::size_t initial = 0;     ///< where it starts; 0: at 10, or at the bound that is nearest
        double backoff = 0.9;        ///< what overload leaves of it; at least 0.5, less than 1
        std::uint32_t patience = 10; ///< round trips without overload until the step doubles; at least 1
    };

    /// Starts at `initial`, in slow start.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    explicit aimd(options const& o) : options_(o), limit_(detail::checked_initial("aimd", o)) {
        detail::require(o.backoff >= 0.5 && o.backoff < 1, "aimd", "backoff must lie within [0.5, 1)");
        detail::require(o.patience >= 1, "aimd", "patience must be at least 1");
    }

    /// How many children may be in flight now.
    std::size_t limit() const noexcept { return limit_; }

    /// Learns from a round trip: see `limit_algorithm`.
    void on_sample(sample const& s) noexcept {
        if (s.overloaded) {
            slow_start_ = false;
            quiet_ = 0;
            step_ = 1;
            auto const lower = static_cast<std::size_t>(options_.backoff * static_cast<double>(limit_));
            limit_ = (std::max)(lower, options_.minimum);
        } else if (detail::used(s.in_flight, limit_)) {
            auto const room = options_.maximum - limit_;
            limit_ += (std::min)(slow_start_ ? limit_ : step_, room);
            if (!slow_start_ && ++quiet_ == options_.patience) {
                quiet_ = 0;
                step_ = (std::min)(2 * step_, options_.maximum);
            }
        }
    }

private:
    options options_;
    std::size_t limit_;
    bool slow_start_ = true;
    std::uint32_t quiet_ = 0; // round trips in which the limit was used, since the step was set
    std::size_t step_ = 1;
};

} // namespace fanout
