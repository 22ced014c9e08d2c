// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group knows no limit: batches of the window's width, each of which waits
// for its slowest child. (These children are all alike. Where they are not, the waiting costs more than what is
// measured here.)

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> batches(std::size_t n, std::size_t window) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, limits::child(0), asio::deferred));
    std::size_t succeeded = 0;
    for (std::size_t begin = 0; begin < n; begin += window) {
        std::vector<child> batch;
        batch.reserve(window);
        for (auto i = begin; i < (std::min)(begin + window, n); ++i) {
            batch.push_back(asio::co_spawn(executor, limits::child(i), asio::deferred));
        }
        auto const [order, exceptions] = co_await asio::experimental::make_parallel_group(std::move(batch))
                                             .async_wait(asio::experimental::wait_for_all(), asio::deferred);
        succeeded += static_cast<std::size_t>(std::ranges::count(exceptions, nullptr));
    }
    co_return succeeded;
}

limits::sweep<batches> const sweep("parallel_group");

} // namespace
