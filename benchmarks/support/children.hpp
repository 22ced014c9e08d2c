// SPDX-License-Identifier: BSL-1.0
#pragma once

// The children of several workloads: each posts once, or is ready at once.

#include "bench.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <ranges>

namespace bench::children {

namespace asio = boost::asio;

inline auto inputs(std::size_t n) { return std::views::iota(std::size_t{0}, n); }

/// Suspends once.
inline asio::awaitable<void> child(std::size_t) { co_await asio::post(asio::deferred); }

/// The children one after another: the floor of those that suspend.
inline asio::awaitable<void> loop(std::size_t n) {
    for (auto const i : inputs(n)) {
        co_await child(i);
    }
}

/// Never suspends.
inline asio::awaitable<void> ready_child(std::size_t) { co_return; }

/// What knows its executor's type is cheaper, and runs on no other.
using executor = asio::io_context::executor_type;

template <class T>
using concrete = asio::awaitable<T, executor>;

inline concrete<void> concrete_child(std::size_t) { co_await asio::post(asio::deferred); }

/// The same as an operation: no coroutine.
inline auto operation(std::size_t) { return asio::post(asio::deferred); }

} // namespace bench::children
