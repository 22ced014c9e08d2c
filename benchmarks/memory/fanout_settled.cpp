// SPDX-License-Identifier: BSL-1.0

// The outcome of each child is kept, and is nearly all that is.

#include <fanout/limit/window.hpp>
#include <fanout/outcome.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

#include <array>
#include <string>

namespace {

template <class T>
bench::asio::awaitable<T> yields(std::size_t) {
    co_await bench::asio::post(bench::asio::deferred);
    co_return T();
}

template <class T>
bench::asio::awaitable<void> settled(std::size_t n) {
    auto const outcomes =
        co_await fanout::when_all_settled(memory::inputs(n), yields<T>, fanout::limit(memory::width));
    bench::require(outcomes.size() == n, "each child has an outcome");
}

template <class T>
bench::contender contender(char const* name) {
    return {name, {.floor = "", .result_bytes = sizeof(fanout::settled<T>)}, bench::one<settled<T>>};
}

bench::contender const of_void = contender<void>("memory/fanout_settled@void");
bench::contender const of_int = contender<int>("memory/fanout_settled@int");
bench::contender const of_string = contender<std::string>("memory/fanout_settled@string");
bench::contender const of_array = contender<std::array<char, 100>>("memory/fanout_settled@array100");

} // namespace
