// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::make_parallel_group with wait_for_one_error, over children that are spawned, and over
// the calls themselves.

#include "workload.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<first_failure::error_code> of_exceptions(first_failure::pending_calls& calls) {
    auto const executor = co_await asio::this_coro::executor;
    using child = decltype(asio::co_spawn(executor, first_failure::child(calls, 0), asio::deferred));
    std::vector<child> children;
    children.reserve(calls.size());
    for (auto const i : first_failure::inputs(calls.size())) {
        children.push_back(asio::co_spawn(executor, first_failure::child(calls, i), asio::deferred));
    }
    auto const [order, exceptions] =
        co_await asio::experimental::make_parallel_group(std::move(children))
            .async_wait(asio::experimental::wait_for_one_error(), asio::deferred);
    co_return first_failure::error_of(exceptions[order[0]]);
}

first_failure::concrete<first_failure::error_code> of_operations(first_failure::pending_calls& calls) {
    std::vector<decltype(calls.call(0))> children;
    children.reserve(calls.size());
    for (auto const i : first_failure::inputs(calls.size())) {
        children.push_back(calls.call(i));
    }
    auto const [order, errors] = co_await asio::experimental::make_parallel_group(std::move(children))
                                     .async_wait(asio::experimental::wait_for_one_error(), asio::deferred);
    co_return errors[order[0]];
}

first_failure::way<of_exceptions> const exceptions("parallel_group", "exception");
first_failure::way<of_operations> const operations("parallel_group", "operation");

} // namespace
