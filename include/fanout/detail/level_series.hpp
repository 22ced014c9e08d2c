// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many were in flight over time, in bounded memory: a step function whose steps are merged where they are too many.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace fanout::detail {

/// What was in flight from a point in time until the next one.
struct level {
    std::chrono::nanoseconds from{};
    std::size_t in_flight_least = 0, in_flight_most = 0; ///< they differ where steps were merged
    std::size_t queued_most = 0;                         ///< inputs that could run but for a permit
    std::optional<std::size_t> limit;                    ///< at the end of it
};

/// Takes levels in the order of their times. Of more than `most` those nearest to each other in time become one.
class level_series {
public:
    explicit level_series(std::size_t most) : most_((std::max)(most, std::size_t{2})) {}

    void add(level const& l) {
        if (!levels_.empty() && l.from - levels_.back().from < resolution_) {
            join(levels_.back(), l);
            return;
        }
        if (levels_.size() == most_) {
            coarsen(l.from);
            return add(l);
        }
        levels_.push_back(l);
    }

    std::vector<level> const& levels() const noexcept { return levels_; }

private:
    static void join(level& to, level const& l) noexcept {
        to.in_flight_least = (std::min)(to.in_flight_least, l.in_flight_least);
        to.in_flight_most = (std::max)(to.in_flight_most, l.in_flight_most);
        to.queued_most = (std::max)(to.queued_most, l.queued_most);
        to.limit = l.limit;
    }

    /// Leaves room for as many again: no step is shorter than the time so far divided by half of what there may be.
    void coarsen(std::chrono::nanoseconds now) {
        auto const span = now - levels_.front().from;
        resolution_ =
            (std::max)(2 * resolution_, span / static_cast<long>(most_ / 2) + std::chrono::nanoseconds(1));
        std::size_t last = 0;
        for (std::size_t i = 1; i < levels_.size(); ++i) {
            if (levels_[i].from - levels_[last].from < resolution_) {
                join(levels_[last], levels_[i]);
            } else {
                levels_[++last] = levels_[i];
            }
        }
        levels_.resize(last + 1);
    }

    std::size_t most_;
    std::chrono::nanoseconds resolution_{1};
    std::vector<level> levels_;
};

} // namespace fanout::detail
