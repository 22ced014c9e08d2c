// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> settled(std::size_t n) {
    auto const outcomes =
        co_await fanout::when_all_settled(window::inputs(n), window::child, fanout::limit(window::width));
    bench::require(outcomes.size() == n, "each child has an outcome");
}

bench::contender const one("window/fanout_settled", window::config, bench::one<settled>);
bench::contender const threads("window/fanout_settled@threads", window::on_threads, bench::threads<settled>);

// The floor of them all: see workload.hpp.
bench::contender const loop("window/loop@beside", window::config, bench::one<window::loop>);
bench::contender const loop_threads("window/loop@beside_threads", window::on_threads,
                                    bench::threads<window::loop>);

} // namespace
