// SPDX-License-Identifier: BSL-1.0
#pragma once

// A context in simulated time, and how it is run to its end.

#include "../../benchmarks/lab/simulated_timer.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>

namespace lab_test {

using namespace std::chrono_literals;

struct world {
    world() { lab::simulated_clock::current = {}; }

    void run() {
        context.restart();
        auto const working = boost::asio::make_work_guard(context);
        auto& waiting = boost::asio::use_service<lab::timeline>(context);
        do {
            context.poll();
        } while (waiting.step());
    }

    static std::chrono::nanoseconds now() { return lab::simulated_clock::now().time_since_epoch(); }

    boost::asio::io_context context{1};
};

} // namespace lab_test
