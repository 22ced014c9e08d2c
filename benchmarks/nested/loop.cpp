// SPDX-License-Identifier: BSL-1.0

// The floor: the same children one after another, in a loop in a loop.

#include "workload.hpp"

namespace {

nested::asio::awaitable<std::size_t> inner_loop(std::size_t inner) {
    std::size_t succeeded = 0;
    for (auto const i : nested::inputs(inner)) {
        co_await nested::child(i);
        ++succeeded;
    }
    co_return succeeded;
}

nested::asio::awaitable<std::size_t> loop(std::size_t outer, std::size_t inner) {
    std::size_t succeeded = 0;
    for (std::size_t i = 0; i < outer; ++i) {
        succeeded += co_await inner_loop(inner);
    }
    co_return succeeded;
}

nested::sweep<loop> const sweep("loop");

} // namespace
