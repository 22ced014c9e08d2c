// SPDX-License-Identifier: BSL-1.0

// The floor: the same children one after another, in a plain loop.

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> loop(std::size_t n) {
    for (auto const i : ready::inputs(n)) {
        co_await ready::ready(i);
    }
}

bench::contender const one("ready/loop", ready::config, bench::one<loop>);

} // namespace
