// SPDX-License-Identifier: BSL-1.0

#include <fanout/composed.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

unlimited::concrete<void> settled(std::size_t n) {
    auto const child = fanout::composed<void>(
        [](auto, std::size_t) -> void { co_await bench::asio::post(bench::asio::deferred); });
    auto const outcomes = co_await fanout::when_all_settled(unlimited::inputs(n), child);
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("unlimited/fanout_composed", unlimited::config, bench::one<settled>);

} // namespace
