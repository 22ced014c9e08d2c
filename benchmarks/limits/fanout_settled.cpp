// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> settled(std::size_t n, std::size_t window) {
    auto const outcomes =
        co_await fanout::when_all_settled(limits::inputs(n), limits::child, fanout::limit(window));
    co_return limits::fulfilled(outcomes);
}

limits::sweep<settled> const sweep("fanout_settled");

} // namespace
