// SPDX-License-Identifier: BSL-1.0

// Children that are operations, not coroutines; the executor's type is known.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

width::concrete<std::size_t> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(width::inputs(n), width::operation);
    co_return width::fulfilled(outcomes);
}

width::sweep<settled> const sweep("fanout_operations");

} // namespace
