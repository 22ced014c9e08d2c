// SPDX-License-Identifier: BSL-1.0

#include "workload.hpp"

#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>

namespace {

template <auto Child>
bench::asio::awaitable<void> pairs(std::size_t n) {
    for (auto const i : pair::inputs(n)) {
        auto const executor = co_await bench::asio::this_coro::executor;
        auto group = bench::asio::experimental::make_parallel_group(
            bench::asio::co_spawn(executor, Child(i), bench::asio::deferred),
            bench::asio::co_spawn(executor, Child(i), bench::asio::deferred));
        co_await group.async_wait(bench::asio::experimental::wait_for_one_error(), bench::asio::deferred);
    }
}

bench::contender const one("pair/parallel_group", pair::config, bench::one<pairs<pair::child>>);
bench::contender const ready("pair/parallel_group@ready", pair::of_ready,
                             bench::one<pairs<pair::ready_child>>);
bench::contender const threads("pair/parallel_group@threads", pair::on_threads,
                               bench::threads<pairs<pair::child>>);

} // namespace
