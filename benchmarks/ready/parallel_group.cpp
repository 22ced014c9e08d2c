// SPDX-License-Identifier: BSL-1.0

#include "../support/spawn_all.hpp"
#include "workload.hpp"

namespace {

bench::asio::awaitable<void> group(std::size_t n) {
    co_await bench::spawn_group<bench::asio::experimental::wait_for_all>(n, ready::ready_child);
}

bench::contender const one("ready/parallel_group", ready::config, bench::one<group>);

} // namespace
