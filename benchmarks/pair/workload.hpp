// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two children beside each other, again and again: what one small fan-out costs. One of n is a pair.

#include "../support/children.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <cstddef>

namespace pair {

using namespace bench::children;

/// Asio's awaitable operators. Where several threads run the context they are not safe: the two children run at once.
template <auto Child>
bench::asio::awaitable<void> with_operators(std::size_t n) {
    using namespace bench::asio::experimental::awaitable_operators;
    for (auto const i : inputs(n)) {
        co_await (Child(i) && Child(i));
    }
}

// Both children suspend once; both are ready at once; and where several threads may run the context. The floor is `a() &&
// b()` in the unit of fanout_all: see window/workload.hpp.
inline bench::config const config{.floor = "pair/operators@beside", .sizes = {2000}, .each = "pair"};
inline bench::config const of_ready{.floor = "pair/operators@beside_ready", .sizes = {2000}, .each = "pair"};
inline bench::config const on_threads{
    .floor = "pair/operators@beside_threads", .sizes = {2000}, .each = "pair"};

} // namespace pair
