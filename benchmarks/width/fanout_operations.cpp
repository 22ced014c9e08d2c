// SPDX-License-Identifier: BSL-1.0

// Children that are operations, not coroutines; the executor's type is known.

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t, width::concrete> settled(std::size_t n) {
    auto const child = [](std::size_t) { return asio::post(asio::deferred); };
    auto const outcomes = co_await fanout::when_all_settled(width::inputs(n), child);
    co_return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& o) { return o.has_value(); }));
}

width::sweep<settled> const sweep("fanout_operations");

} // namespace
