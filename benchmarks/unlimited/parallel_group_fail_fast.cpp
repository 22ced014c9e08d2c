// SPDX-License-Identifier: BSL-1.0

// As when_all: the first that fails would cancel the others.

#include "../support/spawn_all.hpp"
#include "workload.hpp"

namespace {

bench::asio::awaitable<void> group(std::size_t n) {
    co_await bench::spawn_group<bench::asio::experimental::wait_for_one_error>(n, unlimited::child);
}

bench::contender const one("unlimited/parallel_group_fail_fast", unlimited::config, bench::one<group>);

} // namespace
