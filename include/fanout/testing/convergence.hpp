// SPDX-License-Identifier: BSL-1.0
#pragma once

// How fast a limit finds the level of a simulated backend, whether it stays there, and what that costs.

#include <fanout/limit/feedback.hpp>
#include <fanout/testing/simulation.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fanout::testing {

/// A time in which the backend has a certain number of slots.
struct phase {
    std::size_t slots;
    std::size_t round_trips; ///< how long it lasts, in latencies of the unloaded backend
};

/// What a phase showed. Settled: within ±25 % of the backend's optimum (Little's law), for the rest of the
/// phase.
struct settling {
    double optimum = 0;
    bool settled = false;
    std::size_t round_trips = 0;   ///< until it was settled, each as long as a call took at that moment
    double unloaded_latencies = 0; ///< the same time, in latencies of the unloaded backend
    std::size_t lowest = 0;        ///< limit since it was settled
    std::size_t highest = 0;
    double goodput =
        0; ///< calls served since it was settled; 1: all slots busy all the time, the most there can be
    double whole = 0;    ///< the same for the whole phase
    double rejected = 0; ///< calls turned away per call served, since it was settled
};

/// Keeps as many calls in flight as a limit allows, for ever.
///
/// @tparam Limit has `limit()`, `in_flight()`, `acquired()` (a permit's number) and
///   `released(number, feedback)`.
/// @par Thread safety, lifetimes
///   One thread. It refers to all three, and the calls in flight refer to it.
template <class Limit>
class closed_loop {
public:
    /// Makes the first calls, as many as the limit allows.
    closed_loop(simulation& s, backend& b, Limit& l) : simulation_(&s), backend_(&b), limit_(&l) { fill(); }
    closed_loop(closed_loop const&) = delete; // the calls in flight refer to it
    closed_loop& operator=(closed_loop const&) = delete;

private:
    void fill() {
        while (limit_->in_flight() < limit_->limit()) {
            auto const number = limit_->acquired();
            auto const since = simulation_->now();
            backend_->call([this, number, since](bool rejected) {
                auto const what = rejected ? feedback::overloaded : feedback::success;
                auto const ended = rejected ? state::rejected : state::fulfilled;
                limit_->released(number, feedback{what, simulation_->now() - since, ended});
                fill();
            });
        }
    }

    simulation* simulation_;
    backend* backend_;
    Limit* limit_;
};

/// Watches a limit through the phases, one after another. Something else makes the calls, and was started
/// before.
///
/// @param s has the time
/// @param b has its slots changed from phase to phase
/// @param phases what to go through
/// @param limit tells the limit of that moment
/// @param step runs the next event, as `simulation::step` does
/// @returns what each phase showed
/// @par Lifetimes
///   All are used until it returns.
template <class Current, class Step>
std::vector<settling> watch(simulation& s, backend& b, std::span<phase const> phases, Current limit,
                            Step step) {
    std::vector<settling> shown;
    for (auto const& p : phases) {
        b.slots(p.slots);
        auto const begin = s.now();
        auto const end = begin + b.unloaded() * static_cast<std::int64_t>(p.round_trips);
        auto const served_before = b.served();
        settling r{.optimum = b.optimum()};
        std::size_t trips = 0;
        auto trip_began = begin;
        auto since = begin;
        auto served = served_before;
        auto rejected = b.rejected();
        do {
            auto const l = limit();
            if (static_cast<double>(l) < 0.75 * r.optimum || static_cast<double>(l) > 1.25 * r.optimum) {
                since = s.now();
                served = b.served();
                rejected = b.rejected();
                r.round_trips = trips + 1;
                r.lowest = (std::numeric_limits<std::size_t>::max)();
                r.highest = 0;
            } else {
                r.lowest = (std::min)(r.lowest, l);
                r.highest = (std::max)(r.highest, l);
            }
            // A round trip is no shorter than the unloaded latency, though a rejection comes back sooner.
            if (s.now() - trip_began >= (std::max)(b.unloaded(), b.latency())) {
                trip_began = s.now();
                ++trips;
            }
        } while (s.now() < end && step());
        auto const n = [](std::uint64_t count) { return static_cast<double>(count); };
        r.settled = r.highest != 0;
        r.unloaded_latencies =
            static_cast<double>((since - begin).count()) / static_cast<double>(b.unloaded().count());
        r.goodput = n(b.served() - served) / b.capacity(s.now() - since);
        r.whole = n(b.served() - served_before) / b.capacity(s.now() - begin);
        r.rejected = n(b.rejected() - rejected) / (std::max)(1.0, n(b.served() - served));
        shown.push_back(r);
    }
    return shown;
}

} // namespace fanout::testing
