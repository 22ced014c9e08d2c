// SPDX-License-Identifier: BSL-1.0

#include "../support/spawn_all.hpp"
#include "workload.hpp"

namespace {

bench::asio::awaitable<void> spawned(std::size_t n) {
    co_await bench::spawn_and_count(n, ready::ready_child);
}

bench::contender const one("ready/co_spawn", ready::config, bench::one<spawned>);

} // namespace
