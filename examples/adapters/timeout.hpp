// SPDX-License-Identifier: BSL-1.0
#pragma once
// A time limit for one awaitable, for clients that have none of their own.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace adapters {

// The result of `operation` (its T must be default-constructible), or system_error(timed_out, what) once `limit` is
// over; the operation is cancelled then, and has ended before this throws.
template <class T>
boost::asio::awaitable<T> with_timeout(boost::asio::awaitable<T> operation, std::chrono::nanoseconds limit,
                                       std::string what) {
    namespace asio = boost::asio;
    auto const executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, limit);
    // Not awaitable_operators' `||`: that waits for the first *success*, so a quick failure would wait for the timer.
    auto both = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, std::move(operation), asio::deferred), timer.async_wait(asio::deferred));
    auto ended = co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    bool const timer_first =
        std::get<0>(ended)[0] == 1 && !std::get<std::tuple_size_v<decltype(ended)> - 1>(ended);
    if (std::exception_ptr const failure = std::get<1>(ended)) {
        if (timer_first)
            throw boost::system::system_error(asio::error::timed_out, what);
        std::rethrow_exception(failure);
    }
    if constexpr (!std::is_void_v<T>)
        co_return std::move(std::get<2>(ended));
}

} // namespace adapters
