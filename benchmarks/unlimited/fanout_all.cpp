// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> all(std::size_t n) {
    co_await fanout::when_all(unlimited::inputs(n), unlimited::child);
}

bench::contender const one("unlimited/fanout_all", unlimited::config, bench::one<all>);

} // namespace
