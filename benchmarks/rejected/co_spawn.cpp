// SPDX-License-Identifier: BSL-1.0

// By hand: each child is spawned, and the one that ends last resumes the caller. For one thread; nothing is
// cancelled.

#include "workload.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> of_exceptions(std::size_t n) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> outcomes(n);
    auto left = n;
    asio::any_completion_handler<void()> caller;
    for (auto const i : rejected::inputs(n)) {
        asio::co_spawn(executor, rejected::throwing(i), [&, i](std::exception_ptr e) {
            outcomes[i] = std::move(e);
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return n - static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

// co_spawn needs a result that is default-constructible, which Outcome's is not: the child writes it into its
// place.
asio::awaitable<void> keep(std::size_t i, std::optional<rejected::result>& outcome) {
    outcome = co_await rejected::returning(i);
}

asio::awaitable<std::size_t> of_results(std::size_t n) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<std::optional<rejected::result>> outcomes(n);
    auto left = n;
    asio::any_completion_handler<void()> caller;
    for (auto const i : rejected::inputs(n)) {
        asio::co_spawn(executor, keep(i, outcomes[i]), [&](std::exception_ptr e) {
            bench::require(!e, "nothing is thrown");
            if (--left == 0) {
                std::move(caller)();
            }
        });
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return each->has_error(); }));
}

rejected::way<of_exceptions> const exceptions("co_spawn", "exception");
rejected::way<of_results> const results("co_spawn", "result");

} // namespace
