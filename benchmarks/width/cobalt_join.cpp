// SPDX-License-Identifier: BSL-1.0

// Boost.Cobalt's join, which throws the first error, over promises: coroutines that are started when they are
// made.

#include "workload.hpp"

#include <boost/cobalt/join.hpp>
#include <boost/cobalt/op.hpp>
#include <boost/cobalt/promise.hpp>
#include <boost/cobalt/run.hpp>

#include <utility>
#include <vector>

namespace cobalt = boost::cobalt;

namespace {

cobalt::promise<std::size_t> child(std::size_t) {
    co_await boost::asio::post(cobalt::use_op);
    co_return 1;
}

cobalt::task<std::size_t> join_all(std::size_t n) {
    std::vector<cobalt::promise<std::size_t>> children;
    children.reserve(n);
    for (auto const i : width::inputs(n)) {
        children.push_back(child(i));
    }
    auto const outcomes = co_await cobalt::join(std::move(children));
    std::size_t succeeded = 0;
    for (auto const& each : outcomes) {
        succeeded += each;
    }
    co_return succeeded;
}

cobalt::task<void> in_turn(std::size_t width, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        auto const succeeded = co_await join_all(width);
        bench::require(succeeded == width, "each child has run");
    }
}

// cobalt::run makes the io_context, for one thread.
width::sweep_by const sweep("cobalt_join",
                            [](std::size_t width, std::size_t times) { cobalt::run(in_turn(width, times)); });

} // namespace
