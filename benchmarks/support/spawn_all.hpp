// SPDX-License-Identifier: BSL-1.0
#pragma once

// The ways to fan out that Asio offers by itself, as one writes them by hand.

#include "children.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace bench {

/// co_spawn for each child, and a counter: the last one to end resumes the caller. It keeps no results and no errors,
/// and cancels nobody.
template <class Child>
asio::awaitable<void> spawn_and_count(std::size_t n, Child child) {
    auto const executor = co_await asio::this_coro::executor;
    auto left = n;
    auto const start = [&]<class Handler>(Handler handler) {
        auto const resume = std::make_shared<Handler>(std::move(handler));
        for (auto const i : children::inputs(n)) {
            asio::co_spawn(executor, child(i), [&left, resume](std::exception_ptr) {
                if (--left == 0) {
                    asio::post(std::move(*resume));
                }
            });
        }
    };
    co_await asio::async_initiate<asio::deferred_t const, void()>(start, asio::deferred);
}

/// co_spawn for each child, in a group of Asio's. `Condition` says when it cancels the others.
template <class Condition, class Child>
asio::awaitable<void> spawn_group(std::size_t n, Child child) {
    auto const executor = co_await asio::this_coro::executor;
    using operation = decltype(asio::co_spawn(executor, child(std::size_t{0}), asio::deferred));
    std::vector<operation> operations;
    operations.reserve(n);
    for (auto const i : children::inputs(n)) {
        operations.push_back(asio::co_spawn(executor, child(i), asio::deferred));
    }
    auto group = asio::experimental::make_parallel_group(std::move(operations));
    auto const [order, errors] = co_await group.async_wait(Condition(), asio::deferred);
    require(order.size() == n && errors.size() == n, "each child has ended");
}

} // namespace bench
