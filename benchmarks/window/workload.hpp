// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out with a window of 64: 64 children are in flight, and each posts once.

#include "../support/bench.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <ranges>

namespace window {

namespace asio = boost::asio;

inline bench::config const config{.floor = "window/loop"};
inline bench::config const on_threads{.floor = "window/loop@threads"};

inline constexpr std::size_t width = 64;

inline auto inputs(std::size_t n) { return std::views::iota(std::size_t{0}, n); }

inline asio::awaitable<void> child(std::size_t) { co_await asio::post(asio::deferred); }

} // namespace window
