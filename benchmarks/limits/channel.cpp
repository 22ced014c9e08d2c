// SPDX-License-Identifier: BSL-1.0

// By hand: each child is spawned once a channel, which holds as many messages as the window is wide, has room.
// The usual way to a semaphore in Asio. For one thread; the outcomes are kept, nothing is cancelled.

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <vector>

namespace asio = boost::asio;

namespace {

using semaphore = asio::experimental::channel<void(boost::system::error_code)>;

asio::awaitable<std::size_t> through_channel(std::size_t n, std::size_t window) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> outcomes(n);
    semaphore taken(executor, window);
    for (auto const i : limits::inputs(n)) {
        co_await taken.async_send({}, asio::deferred);
        asio::co_spawn(executor, limits::child(i), [&, i](std::exception_ptr e) {
            outcomes[i] = e;
            taken.try_receive([](auto) {});
        });
    }
    // All room is taken again: no child is left.
    for (std::size_t i = 0; i < window; ++i) {
        co_await taken.async_send({}, asio::deferred);
    }
    co_return static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

limits::sweep<through_channel> const sweep("channel");

} // namespace
