// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> settled(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(width::inputs(n), width::child);
    co_return width::fulfilled(outcomes);
}

width::sweep<settled> const sweep("fanout_settled");

} // namespace
