// SPDX-License-Identifier: BSL-1.0

// By hand: each child is spawned, and the one that ends last resumes the caller. For one thread; nothing is
// cancelled.

#include "workload.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <numeric>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> spawn_each(std::size_t inner) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> outcomes(inner);
    auto left = inner;
    asio::any_completion_handler<void()> caller;
    for (auto const i : nested::inputs(inner)) {
        asio::co_spawn(executor, nested::child(i), [&, i](std::exception_ptr e) {
            outcomes[i] = std::move(e);
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

asio::awaitable<std::size_t> spawn_all(std::size_t outer, std::size_t inner) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::size_t> succeeded(outer);
    auto left = outer;
    asio::any_completion_handler<void()> caller;
    for (auto const i : nested::inputs(outer)) {
        asio::co_spawn(executor, spawn_each(inner), [&, i](std::exception_ptr e, std::size_t of_it) {
            bench::require(!e, "nothing is thrown");
            succeeded[i] = of_it;
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return std::accumulate(succeeded.begin(), succeeded.end(), std::size_t{0});
}

nested::sweep<spawn_all> const sweep("co_spawn");

} // namespace
