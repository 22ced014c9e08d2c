// SPDX-License-Identifier: BSL-1.0

// A fan-out of coroutines, each of which awaits one.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> fan_out(std::size_t inner) {
    auto const outcomes = co_await fanout::when_all_settled(nested::inputs(inner), nested::child);
    co_return nested::fulfilled(outcomes);
}

asio::awaitable<std::size_t> settled(std::size_t outer, std::size_t inner) {
    auto const each = [inner](std::size_t) { return fan_out(inner); };
    auto const outcomes = co_await fanout::when_all_settled(nested::inputs(outer), each);
    std::size_t succeeded = 0;
    for (auto const& outcome : outcomes) {
        succeeded += outcome.value();
    }
    co_return succeeded;
}

nested::sweep<settled> const sweep("fanout_coroutines");

} // namespace
