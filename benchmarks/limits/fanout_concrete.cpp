// SPDX-License-Identifier: BSL-1.0

// The executor's type is known: no any_io_executor.

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

limits::concrete<std::size_t> settled(std::size_t n, std::size_t window) {
    auto const outcomes =
        co_await fanout::when_all_settled(limits::inputs(n), limits::concrete_child, fanout::limit(window));
    co_return limits::fulfilled(outcomes);
}

limits::sweep<settled> const sweep("fanout_concrete");

} // namespace
