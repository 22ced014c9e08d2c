// SPDX-License-Identifier: BSL-1.0

// The same, of operations; the executor's type is known.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

nested::concrete<std::size_t> settled(std::size_t outer, std::size_t inner) {
    auto const fan_out = [inner](std::size_t) {
        return fanout::when_all_settled(nested::inputs(inner), nested::operation);
    };
    auto const outcomes = co_await fanout::when_all_settled(nested::inputs(outer), fan_out);
    std::size_t succeeded = 0;
    for (auto const& each : outcomes) {
        succeeded += nested::fulfilled(each.value());
    }
    co_return succeeded;
}

nested::sweep<settled> const sweep("fanout_operations");

} // namespace
