// SPDX-License-Identifier: BSL-1.0

// The floor: one thread, one loop, no coroutine.

#include "workload.hpp"

namespace {

bench::contender const loop("threads/loop", threads::config, [](std::size_t n) {
    auto const begin = std::chrono::steady_clock::now();
    std::uint64_t sum = 0;
    for (auto const i : threads::inputs(n)) {
        sum += threads::compute(i);
    }
    bench::took(std::chrono::steady_clock::now() - begin);
    threads::check(sum, n);
});

} // namespace
