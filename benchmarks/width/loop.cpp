// SPDX-License-Identifier: BSL-1.0

// The floor: the same children one after another, in a plain loop.

#include "workload.hpp"

namespace {

width::asio::awaitable<std::size_t> loop(std::size_t n) {
    std::size_t succeeded = 0;
    for (auto const i : width::inputs(n)) {
        co_await width::child(i);
        ++succeeded;
    }
    co_return succeeded;
}

width::sweep<loop> const sweep("loop");

} // namespace
