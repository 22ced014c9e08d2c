// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(unlimited::inputs(n), unlimited::child);
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("unlimited/fanout_settled", unlimited::config, bench::one<settled>);

// The floor of them all: see workload.hpp.
bench::contender const loop("unlimited/loop@beside", unlimited::config, bench::one<unlimited::loop>);

} // namespace
