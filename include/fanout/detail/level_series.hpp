// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many were in flight over time, in bounded memory: a step function whose steps are merged where they are too many.

#include <fanout/detail/requirements.hpp>

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

/// Takes levels in the order of their times. Of several of one instant the last one counts. Of more than `most` those
/// nearest to each other in time become one.
class level_series {
public:
    explicit level_series(std::size_t most) : most_((std::max)(most, std::size_t{2})) {}

    void add(level const& l) {
        if (!levels_.empty() && l.from == levels_.back().from && !merged_) {
            levels_.back() = last_ = l;
            return;
        }
        if (!levels_.empty() && l.from - levels_.back().from < resolution_) {
            join(levels_.back(), l);
            merged_ = true;
            last_ = l;
            return;
        }
        if (merged_ &&
            l.from - last_.from >= resolution_) { // what was merged did not last until now: its end did
            push(last_);
        }
        push(l);
        merged_ = false;
        last_ = l;
    }

    std::vector<level> const& levels() const noexcept { return levels_; }

private:
    void push(level const& l) {
        while (levels_.size() >= most_) {
            coarsen(l.from);
        }
        levels_.push_back(l);
    }

    static void join(level& to, level const& l) noexcept {
        to.in_flight_least = (std::min)(to.in_flight_least, l.in_flight_least);
        to.in_flight_most = (std::max)(to.in_flight_most, l.in_flight_most);
        to.queued_most = (std::max)(to.queued_most, l.queued_most);
        to.limit = l.limit;
    }

    /// Leaves room for as many again: hardly a step is shorter than the time so far divided by half of what there may be.
    void coarsen(std::chrono::nanoseconds now) {
        auto const span = now - levels_.front().from;
        auto const parts = static_cast<std::chrono::nanoseconds::rep>(most_ / 2);
        resolution_ = (std::max)(2 * resolution_, span / parts + std::chrono::nanoseconds(1));
        std::size_t last = 0;
        for (std::size_t i = 1; i < levels_.size(); ++i) {
            // One that lasts is not merged into what is before it.
            auto const until = i + 1 < levels_.size() ? levels_[i + 1].from : now;
            if (levels_[i].from - levels_[last].from < resolution_ && until - levels_[i].from < resolution_) {
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
    level last_;          ///< as it came
    bool merged_ = false; ///< into the last of `levels_`
};

} // namespace fanout::detail
