// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fanout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <numeric>
#include <vector>

inline boost::asio::awaitable<int> square(int n) { co_return n* n; }

inline boost::asio::awaitable<int> add_squares(fanout::semaphore& places) {
    std::vector<int> const numbers{1, 2, 3, 4};
    auto squares = co_await fanout::when_all(numbers, square, places);
    co_return std::accumulate(squares.begin(), squares.end(), 0);
}

inline int sum_of_squares(fanout::semaphore& places) {
    boost::asio::io_context context(1);
    auto sum = boost::asio::co_spawn(context, add_squares(places), boost::asio::use_future);
    context.run();
    return sum.get();
}
