// SPDX-License-Identifier: BSL-1.0

// By hand: each child is spawned with a cancellation signal of its own. For one thread.

#include "workload.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<first_failure::error_code> spawn_each(first_failure::pending_calls& calls) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<asio::cancellation_signal> signals(calls.size());
    std::exception_ptr first;
    auto left = calls.size();
    asio::any_completion_handler<void()> caller;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        auto const ended = [&](std::exception_ptr e) {
            if (e && !first) {
                first = std::move(e);
                for (auto& signal : signals) {
                    signal.emit(asio::cancellation_type::terminal);
                }
            }
            if (--left == 0) {
                std::move(caller)();
            }
        };
        asio::co_spawn(executor, first_failure::child(calls, i),
                       asio::bind_cancellation_slot(signals[i].slot(), ended));
    }
    auto const wait = [&caller](auto handler) { caller = std::move(handler); };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return first_failure::error_of(first);
}

first_failure::way<spawn_each> const exceptions("co_spawn", "exception");

} // namespace
