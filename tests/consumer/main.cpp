// SPDX-License-Identifier: BSL-1.0
// A user's program: fans out, and says by its exit status whether the sum is right.
#include <fanout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <iostream>
#include <numeric>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<int> square(int n) { co_return n* n; }

asio::awaitable<int> sum_of_squares() {
    std::vector<int> const numbers{1, 2, 3, 4};
    auto squares = co_await fanout::when_all(numbers, square, fanout::limit(2));
    co_return std::accumulate(squares.begin(), squares.end(), 0);
}

int main() {
    asio::io_context context(1);
    auto sum = asio::co_spawn(context, sum_of_squares(), asio::use_future);
    context.run();
    int const result = sum.get();
    std::cout << "fanout " << FANOUT_VERSION << ": 1 + 4 + 9 + 16 = " << result << '\n';
    return result == 30 ? 0 : 1;
}
