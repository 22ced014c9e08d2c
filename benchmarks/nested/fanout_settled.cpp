// SPDX-License-Identifier: BSL-1.0

// A fan-out is an operation, and so a child of another as it stands.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> settled(std::size_t outer, std::size_t inner) {
    auto const fan_out = [inner](std::size_t) {
        return fanout::when_all_settled(nested::inputs(inner), nested::child);
    };
    auto const outcomes = co_await fanout::when_all_settled(nested::inputs(outer), fan_out);
    std::size_t succeeded = 0;
    for (auto const& each : outcomes) {
        succeeded += nested::fulfilled(each.value());
    }
    co_return succeeded;
}

nested::sweep<settled> const sweep("fanout_settled");

} // namespace
