// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group, over children that are spawned, and over operations. (Outcome's
// results are not default-constructible, so co_spawn returns none of them, and there is no group of such
// children.)

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> of_exceptions(std::size_t n) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, rejected::throwing(0), asio::deferred));
    std::vector<child> children;
    children.reserve(n);
    for (auto const i : rejected::inputs(n)) {
        children.push_back(asio::co_spawn(executor, rejected::throwing(i), asio::deferred));
    }
    auto const [order, exceptions] = co_await asio::experimental::make_parallel_group(std::move(children))
                                         .async_wait(asio::experimental::wait_for_all(), asio::deferred);
    co_return n - static_cast<std::size_t>(std::ranges::count(exceptions, nullptr));
}

rejected::concrete<std::size_t> of_operations(std::size_t n) {
    std::vector<decltype(rejected::completing(0))> children;
    children.reserve(n);
    for (auto const i : rejected::inputs(n)) {
        children.push_back(rejected::completing(i));
    }
    auto const [order, errors] = co_await asio::experimental::make_parallel_group(std::move(children))
                                     .async_wait(asio::experimental::wait_for_all(), asio::deferred);
    co_return n - static_cast<std::size_t>(std::ranges::count(errors, rejected::error_code()));
}

rejected::way<of_exceptions> const exceptions("parallel_group", "exception");
rejected::way<of_operations> const operations("parallel_group", "operation");

} // namespace
