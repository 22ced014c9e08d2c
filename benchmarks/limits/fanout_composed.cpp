// SPDX-License-Identifier: BSL-1.0

// Children that are coroutines and operations at once; the executor's type is known.

#include <fanout/composed.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

limits::concrete<std::size_t> settled(std::size_t n, std::size_t window) {
    auto const child =
        fanout::composed<void>([](auto, std::size_t) -> void { co_await asio::post(asio::deferred); });
    auto const outcomes = co_await fanout::when_all_settled(limits::inputs(n), child, fanout::limit(window));
    co_return limits::fulfilled(outcomes);
}

limits::sweep<settled> const sweep("fanout_composed");

} // namespace
