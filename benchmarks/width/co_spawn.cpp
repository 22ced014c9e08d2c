// SPDX-License-Identifier: BSL-1.0

// By hand: each child is spawned, and the one that ends last resumes the caller. For one thread; nothing is
// cancelled.

#include "workload.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> spawn_each(std::size_t n) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> outcomes(n);
    auto left = n;
    asio::any_completion_handler<void()> caller;
    for (auto const i : width::inputs(n)) {
        asio::co_spawn(executor, width::child(i), [&, i](std::exception_ptr e) {
            outcomes[i] = e;
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

width::sweep<spawn_each> const sweep("co_spawn");

} // namespace
