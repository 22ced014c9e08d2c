// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

window::concrete<void> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(window::inputs(n), window::concrete_child,
                                                            fanout::limit(window::width));
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("window/fanout_concrete", window::of_concrete, bench::one<settled>);

// The floor of a concrete executor: see workload.hpp.
bench::contender const loop("window/concrete_loop@beside", window::of_concrete,
                            bench::one<window::concrete_loop>);

} // namespace
