// SPDX-License-Identifier: BSL-1.0

// By hand: each child is a coroutine that is spawned on the pool.

#include "workload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <latch>

namespace asio = boost::asio;

namespace {

asio::awaitable<std::uint64_t> child(std::size_t i) { co_return threads::compute(i); }

std::uint64_t spawn_each(asio::thread_pool& pool, std::size_t, std::size_t n) {
    std::vector<std::uint64_t> results(n);
    std::latch all(static_cast<std::ptrdiff_t>(n));
    for (auto const i : threads::inputs(n)) {
        asio::co_spawn(pool, child(i), [&, i](std::exception_ptr e, std::uint64_t result) {
            bench::require(!e, "nothing is thrown");
            results[i] = result;
            all.count_down();
        });
    }
    all.wait();
    std::uint64_t sum = 0;
    for (auto const each : results) {
        sum += each;
    }
    return sum;
}

threads::sweep const sweep("co_spawn", spawn_each);

} // namespace
