// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(ready::inputs(n), ready::ready_child);
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("ready/fanout_settled", ready::config, bench::one<settled>);

// The floor of them all: see workload.hpp.
bench::contender const loop("ready/loop@beside", ready::config, bench::one<ready::loop>);

} // namespace
