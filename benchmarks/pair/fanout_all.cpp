// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace {

template <auto Child>
bench::asio::awaitable<void> pairs(std::size_t n) {
    for (auto const i : pair::inputs(n)) {
        co_await fanout::when_all(Child(i), Child(i));
    }
}

bench::contender const one("pair/fanout_all", pair::config, bench::one<pairs<pair::child>>);
bench::contender const ready("pair/fanout_all@ready", pair::of_ready, bench::one<pairs<pair::ready_child>>);
bench::contender const threads("pair/fanout_all@threads", pair::on_threads,
                               bench::threads<pairs<pair::child>>);

// The floor of them all: see workload.hpp.
bench::contender const floor_one("pair/operators@beside", pair::config,
                                 bench::one<pair::with_operators<pair::child>>);
bench::contender const floor_ready("pair/operators@beside_ready", pair::of_ready,
                                   bench::one<pair::with_operators<pair::ready_child>>);
bench::contender const floor_threads("pair/operators@beside_threads", pair::on_threads,
                                     bench::threads<pair::with_operators<pair::child>>);

} // namespace
