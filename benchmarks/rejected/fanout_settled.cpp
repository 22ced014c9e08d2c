// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

#include <algorithm>

namespace asio = boost::asio;

namespace {

std::size_t count_rejected(auto const& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return !each.has_value(); }));
}

asio::awaitable<std::size_t> of_exceptions(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(rejected::inputs(n), rejected::throwing);
    co_return count_rejected(outcomes);
}

asio::awaitable<std::size_t> of_results(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(rejected::inputs(n), rejected::returning);
    co_return count_rejected(outcomes);
}

rejected::concrete<std::size_t> of_operations(std::size_t n) {
    auto const outcomes = co_await fanout::when_all_settled(rejected::inputs(n), rejected::completing);
    co_return count_rejected(outcomes);
}

rejected::way<of_exceptions> const exceptions("fanout_settled", "exception");
rejected::way<of_results> const results("fanout_settled", "result");
rejected::way<of_operations> const operations("fanout_settled", "operation");

} // namespace
