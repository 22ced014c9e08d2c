// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<first_failure::error_code> of_exceptions(first_failure::pending_calls& calls) {
    auto const child = [&calls](std::size_t i) { return first_failure::child(calls, i); };
    try {
        co_await fanout::when_all(first_failure::inputs(calls.size()), child);
    } catch (boost::system::system_error const& e) {
        co_return e.code();
    }
    co_return first_failure::error_code();
}

first_failure::concrete<first_failure::error_code> of_operations(first_failure::pending_calls& calls) {
    auto const call = [&calls](std::size_t i) { return calls.call(i); };
    try {
        co_await fanout::when_all(first_failure::inputs(calls.size()), call);
    } catch (boost::system::system_error const& e) {
        co_return e.code();
    }
    co_return first_failure::error_code();
}

first_failure::way<of_exceptions> const exceptions("fanout_all", "exception");
first_failure::way<of_operations> const operations("fanout_all", "operation");

} // namespace
