// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> all(std::size_t n) {
    co_await fanout::when_all(ready::inputs(n), ready::ready_child);
}

bench::contender const one("ready/fanout_all", ready::config, bench::one<all>);

} // namespace
