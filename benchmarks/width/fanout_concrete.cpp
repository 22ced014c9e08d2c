// SPDX-License-Identifier: BSL-1.0

// The executor's type is known: no any_io_executor.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

width::concrete<std::size_t> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(width::inputs(n), width::concrete_child);
    co_return width::fulfilled(outcomes);
}

width::sweep<settled> const sweep("fanout_concrete");

} // namespace
