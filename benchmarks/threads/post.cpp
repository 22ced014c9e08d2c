// SPDX-License-Identifier: BSL-1.0

// By hand: each child is a function that is posted to the pool.

#include "workload.hpp"

#include <boost/asio/post.hpp>

#include <latch>

namespace asio = boost::asio;

namespace {

std::uint64_t post_each(asio::thread_pool& pool, std::size_t, std::size_t n) {
    std::vector<std::uint64_t> results(n);
    std::latch all(static_cast<std::ptrdiff_t>(n));
    for (auto const i : threads::inputs(n)) {
        asio::post(pool, [&, i] {
            results[i] = threads::compute(i);
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

threads::sweep const sweep("post", post_each);

} // namespace
