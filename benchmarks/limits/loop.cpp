// SPDX-License-Identifier: BSL-1.0

// The floor: the same children one after another, in a plain loop. Its window is always 1.

#include "workload.hpp"

namespace {

limits::asio::awaitable<std::size_t> loop(std::size_t n, std::size_t) {
    std::size_t succeeded = 0;
    for (auto const i : limits::inputs(n)) {
        co_await limits::child(i);
        ++succeeded;
    }
    co_return succeeded;
}

limits::sweep<loop> const sweep("loop", 1);

} // namespace
