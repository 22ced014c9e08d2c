// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group, over coroutines that each wait for a group of their own.

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <numeric>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> group(std::size_t inner) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, nested::child(0), asio::deferred));
    std::vector<child> children;
    children.reserve(inner);
    for (auto const i : nested::inputs(inner)) {
        children.push_back(asio::co_spawn(executor, nested::child(i), asio::deferred));
    }
    auto const [order, exceptions] = co_await asio::experimental::make_parallel_group(std::move(children))
                                         .async_wait(asio::experimental::wait_for_all(), asio::deferred);
    co_return static_cast<std::size_t>(std::ranges::count(exceptions, nullptr));
}

asio::awaitable<std::size_t> group_of_groups(std::size_t outer, std::size_t inner) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, group(0), asio::deferred));
    std::vector<child> groups;
    groups.reserve(outer);
    for (std::size_t i = 0; i < outer; ++i) {
        groups.push_back(asio::co_spawn(executor, group(inner), asio::deferred));
    }
    auto const [order, exceptions, succeeded] =
        co_await asio::experimental::make_parallel_group(std::move(groups))
            .async_wait(asio::experimental::wait_for_all(), asio::deferred);
    co_return std::accumulate(succeeded.begin(), succeeded.end(), std::size_t{0});
}

nested::sweep<group_of_groups> const sweep("parallel_group");

} // namespace
