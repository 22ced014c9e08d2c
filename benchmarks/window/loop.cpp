// SPDX-License-Identifier: BSL-1.0

// The floor: the same children one after another, in a plain loop.

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> loop(std::size_t n) {
    for (auto const i : window::inputs(n)) {
        co_await window::child(i);
    }
}

bench::contender const one("window/loop", window::config, bench::one<loop>);
bench::contender const threads("window/loop@threads", window::on_threads, bench::threads<loop>);

} // namespace
