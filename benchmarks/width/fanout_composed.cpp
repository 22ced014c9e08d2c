// SPDX-License-Identifier: BSL-1.0

// Children that are coroutines and operations at once; the executor's type is known.

#include <fanout/composed.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

width::concrete<std::size_t> settled(std::size_t n) {
    auto const child =
        fanout::composed<void>([](auto, std::size_t) -> void { co_await asio::post(asio::deferred); });
    auto const outcomes = co_await fanout::when_all_settled(width::inputs(n), child);
    co_return width::fulfilled(outcomes);
}

width::sweep<settled> const sweep("fanout_composed");

} // namespace
