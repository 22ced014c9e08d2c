// SPDX-License-Identifier: BSL-1.0

// On threads, but about neither executors nor limits: a line of progress that other threads draw, and the virtual time that
// each thread has. Made for TSan.

#include <fanout/observe/progress.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/testing/virtual_clock.hpp>

#include "../support/harness.hpp"
#include "../support/thread_clocks.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

using namespace test;
using fanout::testing::virtual_clock;

namespace {

/// What was drawn on this terminal, if anything, is erased.
bool is_clear(std::ostringstream const& terminal) {
    constexpr std::string_view redrawn = "\r\033[K";
    auto const text = terminal.str();
    return text.find(redrawn) == std::string::npos || text.ends_with(redrawn);
}

} // namespace

TEST_CASE("children on threads, and lines drawn on other ones") {
    asio::thread_pool children(3), drawing(2);
    std::ostringstream terminal;
    fanout::progress_options options;
    options.output = &terminal;
    options.terminal = true;
    fanout::basic_progress<fast_clock> progress(drawing.get_executor(), options);
    for (int round = 0; round < 5; ++round) {
        auto const factory = [](int i) -> asio::awaitable<int> {
            co_await turn();
            co_return i;
        };
        auto done =
            fanout::retry_rejected(std::views::iota(0, 2000), factory, fanout::retry_policy{},
                                   fanout::limit(8), fanout::on(children), progress)(asio::use_future);
        CHECK(done.get().failed() == 0);
        CHECK(is_clear(terminal)); // before the fan-out has completed
    }
    drawing.join();
    CHECK(is_clear(terminal));
}

TEST_CASE("each thread has its own time") {
    auto const here = virtual_clock::now();
    virtual_clock::duration there{-1};
    std::thread([&] {
        CHECK(virtual_clock::now() == virtual_clock::time_point());
        asio::io_context context(1);
        asio::basic_waitable_timer<virtual_clock> timer(context, 7h);
        timer.async_wait([](error_code const&) {});
        there = fanout::testing::run(context);
    }).join();
    CHECK(there == 7h);
    CHECK(virtual_clock::now() == here);
}
