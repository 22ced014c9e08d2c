// SPDX-License-Identifier: BSL-1.0

// The same, with children that are operations: each posts its function to its lane's strand.

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

namespace asio = boost::asio;

namespace {

auto child(std::size_t i) {
    return asio::post(asio::deferred([i] { return asio::deferred.values(threads::compute(i)); }));
}

std::uint64_t settled(asio::thread_pool& pool, std::size_t size, std::size_t n) {
    auto future = fanout::when_all_settled(threads::inputs(n), child, fanout::limit(2 * size),
                                           fanout::on(pool))(asio::use_future);
    std::uint64_t sum = 0;
    for (auto const& each : future.get()) {
        sum += each.value();
    }
    return sum;
}

threads::sweep const sweep("fanout_operations", settled);

} // namespace
