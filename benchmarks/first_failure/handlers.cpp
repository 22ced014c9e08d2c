// SPDX-License-Identifier: BSL-1.0

// The floor: the calls by themselves, each with a handler and a cancellation signal; no coroutine, no
// exception. For one thread.

#include "workload.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

first_failure::concrete<first_failure::error_code> handlers(first_failure::pending_calls& calls) {
    std::vector<asio::cancellation_signal> signals(calls.size());
    first_failure::error_code first;
    auto left = calls.size();
    asio::any_completion_handler<void()> caller;
    auto const wait = [&](auto handler) {
        caller = std::move(handler);
        for (std::size_t i = 0; i < signals.size(); ++i) {
            auto const ended = [&](first_failure::error_code e) {
                if (e && !first) {
                    first = e;
                    for (auto& signal : signals) {
                        signal.emit(asio::cancellation_type::terminal);
                    }
                }
                if (--left == 0) {
                    std::move(caller)();
                }
            };
            calls.call(i)(asio::bind_cancellation_slot(signals[i].slot(), ended));
        }
    };
    co_await asio::async_initiate<asio::deferred_t const, void()>(wait, asio::deferred);
    co_return first;
}

first_failure::way<handlers> const operations("handlers", "operation");

} // namespace
