// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a run is measured by: the counts of all attempts, and the times of those that were of use.

#include <fanout/detail/latency_histogram.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/stats.hpp>

#include "run_result.hpp"

#include <chrono>
#include <cstddef>

namespace lab {

// An attempt that is turned away at once would make a median look good.
class useful_attempts {
public:
    void on_settled(fanout::settled_event const& e) noexcept {
        overloads_ += e.overloaded ? 1 : 0;
        if (e.what == fanout::state::fulfilled)
            times_.add(e.elapsed);
    }

    std::size_t overloads() const { return overloads_; }
    std::chrono::nanoseconds quantile(double q) const { return times_.quantile(q); }

private:
    fanout::detail::latency_histogram<6> times_;
    std::size_t overloads_ = 0;
};

class scoreboard {
public:
    fanout::stats all;
    useful_attempts useful;

    run_result result(strategy const& how, std::size_t inputs, std::chrono::nanoseconds wall) const {
        run_result r;
        r.how = how;
        r.inputs = inputs;
        r.wall = wall;
        r.fulfilled = all.fulfilled();
        r.rejected = all.rejected();
        r.not_started = inputs - r.fulfilled - r.rejected;
        r.attempts = all.started();
        r.overloads = useful.overloads();
        r.peak_in_flight = all.peak_in_flight();
        if (wall.count() > 0)
            r.mean_in_flight = std::chrono::duration<double>(all.child_time()) / wall;
        r.p50 = useful.quantile(0.5);
        r.p99 = useful.quantile(0.99);
        return r;
    }
};

} // namespace lab
