// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group, over children that are spawned on the pool.

#include "workload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_future.hpp>

#include <utility>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::uint64_t> child(std::size_t i) { co_return threads::compute(i); }

std::uint64_t group(asio::thread_pool& pool, std::size_t, std::size_t n) {
    using spawned = decltype(asio::co_spawn(pool, child(0), asio::deferred));
    std::vector<spawned> children;
    children.reserve(n);
    for (auto const i : threads::inputs(n)) {
        children.push_back(asio::co_spawn(pool, child(i), asio::deferred));
    }
    auto future = asio::experimental::make_parallel_group(std::move(children))
                      .async_wait(asio::experimental::wait_for_all(), asio::use_future);
    auto const [order, exceptions, results] = future.get();
    std::uint64_t sum = 0;
    for (auto const each : results) {
        sum += each;
    }
    return sum;
}

threads::sweep const sweep("parallel_group", group);

} // namespace
