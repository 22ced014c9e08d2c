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

} // namespace
