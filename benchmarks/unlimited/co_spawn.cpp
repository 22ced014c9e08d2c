// SPDX-License-Identifier: BSL-1.0

#include "../support/spawn_all.hpp"
#include "workload.hpp"

namespace {

bench::asio::awaitable<void> spawned(std::size_t n) { co_await bench::spawn_and_count(n, unlimited::child); }

bench::contender const one("unlimited/co_spawn", unlimited::config, bench::one<spawned>);

} // namespace
