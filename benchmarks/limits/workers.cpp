// SPDX-License-Identifier: BSL-1.0

// By hand: as many coroutines as the window is wide take their inputs from one counter, and the one that ends
// last resumes the caller. For one thread; the outcomes are kept, nothing is cancelled.

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

asio::awaitable<void> work(std::size_t& next, std::vector<std::exception_ptr>& outcomes) {
    while (next < outcomes.size()) {
        auto const i = next++;
        try {
            co_await limits::child(i);
        } catch (...) {
            outcomes[i] = std::current_exception();
        }
    }
}

asio::awaitable<std::size_t> workers(std::size_t n, std::size_t window) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> outcomes(n);
    std::size_t next = 0;
    auto left = window;
    asio::any_completion_handler<void()> caller;
    for (std::size_t i = 0; i < window; ++i) {
        asio::co_spawn(executor, work(next, outcomes), [&](std::exception_ptr e) {
            bench::require(!e, "a worker throws nothing");
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    bench::require(next == n, "each child has started");
    co_return static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

limits::sweep<workers> const sweep("workers");

} // namespace
