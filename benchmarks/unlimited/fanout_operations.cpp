// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

unlimited::concrete<void> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(unlimited::inputs(n), unlimited::operation);
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("unlimited/fanout_operations", unlimited::config, bench::one<settled>);

} // namespace
