// SPDX-License-Identifier: BSL-1.0

// Nothing is kept of a child that yields nothing.

#include <fanout/limit/window.hpp>
#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> all(std::size_t n) {
    co_await fanout::when_all(memory::inputs(n), memory::child, fanout::limit(memory::width));
}

bench::contender const one("memory/fanout_all", {.floor = ""}, bench::one<all>);

} // namespace
