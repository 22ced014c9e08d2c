// SPDX-License-Identifier: BSL-1.0

// Asio's experimental::awaitable_operators: `a() && b() && …`, which is for a number of children that the code
// knows.

#include "workload.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <utility>

namespace asio = boost::asio;

namespace {

template <std::size_t... I>
asio::awaitable<void> each_and(std::index_sequence<I...>) {
    using namespace asio::experimental::awaitable_operators;
    co_await (width::child(I) && ...);
}

asio::awaitable<std::size_t> ten(std::size_t n) {
    co_await each_and(std::make_index_sequence<10>());
    co_return n;
}

width::sweep<ten> const sweep("operators", [](std::size_t n) { return n == 10; });

} // namespace
