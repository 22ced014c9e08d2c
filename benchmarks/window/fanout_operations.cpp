// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

window::concrete<void> settled(std::size_t n) {
    auto const outcomes =
        co_await fanout::when_all_settled(window::inputs(n), window::operation, fanout::limit(window::width));
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("window/fanout_operations", window::of_concrete, bench::one<settled>);

} // namespace
