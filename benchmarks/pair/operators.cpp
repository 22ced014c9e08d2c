// SPDX-License-Identifier: BSL-1.0

// Asio's awaitable operators. Where several threads run the context they are not safe: the two children run at once.
#include "workload.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace {

using namespace bench::asio::experimental::awaitable_operators;

template <auto Child>
bench::asio::awaitable<void> pairs(std::size_t n) {
    for (auto const i : pair::inputs(n)) {
        co_await (Child(i) && Child(i));
    }
}

bench::contender const one("pair/operators", pair::config, bench::one<pairs<pair::child>>);
bench::contender const ready("pair/operators@ready", pair::of_ready, bench::one<pairs<pair::ready_child>>);
bench::contender const threads("pair/operators@threads", pair::on_threads,
                               bench::threads<pairs<pair::child>>);

} // namespace
