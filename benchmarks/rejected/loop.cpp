// SPDX-License-Identifier: BSL-1.0

// The floors: the same children one after another, in a plain loop that keeps what became of each.

#include "workload.hpp"

#include <boost/asio/as_tuple.hpp>

#include <algorithm>
#include <exception>
#include <vector>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::size_t> of_exceptions(std::size_t n) {
    std::vector<std::exception_ptr> outcomes(n);
    for (auto const i : rejected::inputs(n)) {
        try {
            co_await rejected::throwing(i);
        } catch (...) {
            outcomes[i] = std::current_exception();
        }
    }
    co_return n - static_cast<std::size_t>(std::ranges::count(outcomes, nullptr));
}

asio::awaitable<std::size_t> of_results(std::size_t n) {
    std::vector<rejected::result> outcomes;
    outcomes.reserve(n);
    for (auto const i : rejected::inputs(n)) {
        outcomes.push_back(co_await rejected::returning(i));
    }
    co_return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return each.has_error(); }));
}

rejected::concrete<std::size_t> of_operations(std::size_t n) {
    std::vector<rejected::error_code> outcomes;
    outcomes.reserve(n);
    for (auto const i : rejected::inputs(n)) {
        auto const [e] = co_await rejected::completing(i)(asio::as_tuple(asio::deferred));
        outcomes.push_back(e);
    }
    co_return n - static_cast<std::size_t>(std::ranges::count(outcomes, rejected::error_code()));
}

rejected::way<of_exceptions> const exceptions("loop", "exception");
rejected::way<of_results> const results("loop", "result");
rejected::way<of_operations> const operations("loop", "operation");

} // namespace
