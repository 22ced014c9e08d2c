// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group, over children that are spawned.

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> group(std::size_t n) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, width::child(0), asio::deferred));
    std::vector<child> children;
    children.reserve(n);
    for (auto const i : width::inputs(n)) {
        children.push_back(asio::co_spawn(executor, width::child(i), asio::deferred));
    }
    auto const [order, exceptions] = co_await asio::experimental::make_parallel_group(std::move(children))
                                         .async_wait(asio::experimental::wait_for_all(), asio::deferred);
    co_return static_cast<std::size_t>(std::ranges::count(exceptions, nullptr));
}

width::sweep<group> const sweep("parallel_group");

} // namespace
