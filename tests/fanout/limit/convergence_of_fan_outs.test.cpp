// SPDX-License-Identifier: BSL-1.0

// The adaptive limits find the level of a simulated backend through real fan-outs: permits, feedback and the measured
// latency are the library's own; only the backend and the time are made up. (convergence.test.cpp has all cells, on the
// limits' state alone.)

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/testing/convergence.hpp>
#include <fanout/testing/simulation.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

namespace asio = boost::asio;
using fanout::error_code;
using fanout::testing::backend;
using fanout::testing::phase;
using fanout::testing::simulation;
using test::manual_clock;

namespace {

/// A call of the backend as an Asio operation.
auto call(backend& b) {
    return test::make_operation<void(error_code)>([&b](auto handler) {
        auto const h = std::make_shared<decltype(handler)>(std::move(handler));
        b.call([h](bool rejected) {
            auto const ex = asio::get_associated_executor(*h);
            asio::post(ex, [h, rejected] {
                std::move (*h)(rejected ? error_code(asio::error::connection_refused) : error_code());
            });
        });
    });
}

/// Two fan-outs share the limit, against the backend; then its slots halve, then they double.
template <class Algorithm>
void check(backend::overload kind, std::size_t initial, std::string const& name) {
    constexpr std::size_t slots = 40;
    simulation s;
    backend b(s, {.when_full = kind, .slots = slots});
    asio::io_context context(1);
    manual_clock::current = {};
    fanout::adaptive<Algorithm> limit({.maximum = 1000, .initial = initial});
    auto const child = [&](std::size_t) { return call(b); };
    auto const turned_away = [](error_code const& e) { return e == asio::error::connection_refused; };
    asio::cancellation_signal cancel[2];
    auto const launch = [&](asio::cancellation_signal& by) {
        return test::launch(context,
                            fanout::when_all_settled(std::views::iota(std::size_t{0}), child, limit,
                                                     fanout::basic_options<manual_clock>{},
                                                     fanout::overload_if(turned_away)),
                            by.slot());
    };
    auto first = launch(cancel[0]);
    auto second = launch(cancel[1]);
    auto const step = [&] {
        test::poll(context);
        auto const more = s.step();
        manual_clock::current = manual_clock::time_point(s.now());
        test::poll(context);
        return more;
    };
    phase const phases[] = {{slots, 300}, {slots / 2, 300}, {slots, 300}};
    test::poll(context);
    auto const shown = fanout::testing::watch(s, b, phases, [&] { return limit.limit(); }, step);
    for (std::size_t i = 0; i < shown.size(); ++i) {
        auto const& r = shown[i];
        INFO(name << " from " << initial << ", phase " << i << ": settled after " << r.round_trips
                  << " round trips, limit " << r.lowest << " to " << r.highest << ", optimum " << r.optimum
                  << ", goodput " << r.goodput);
        CHECK(r.settled);
        CHECK(r.round_trips <= 50);
        CHECK(r.goodput >= 0.9);
    }
    cancel[0].emit(asio::cancellation_type::total); // those under way end by themselves
    cancel[1].emit(asio::cancellation_type::total);
    while (step()) {
    }
    REQUIRE(first->done);
    REQUIRE(second->done);
    CHECK(limit.in_use() == 0);
    auto const served = [](auto const& r) {
        double n = 0;
        for (auto const& o : *r->value) {
            n += o.has_value() ? 1 : 0;
        }
        return n;
    };
    CHECK(served(first) / (served(first) + served(second)) > 0.4); // evenly
    CHECK(served(first) / (served(first) + served(second)) < 0.6);
}

} // namespace

TEST_CASE("AIMD and Gradient2 on a backend that rejects: within 25 % of the optimum after 50 round trips") {
    for (std::size_t const initial : {1U, 1000U}) {
        check<fanout::aimd>(backend::overload::rejects, initial, "aimd");
        check<fanout::gradient2>(backend::overload::rejects, initial, "gradient2");
    }
}

TEST_CASE("Vegas and Gradient2 on a backend that queues: within 25 % of the optimum after 50 round trips") {
    for (std::size_t const initial : {1U, 1000U}) {
        check<fanout::vegas>(backend::overload::queues, initial, "vegas");
        check<fanout::gradient2>(backend::overload::queues, initial, "gradient2");
    }
}
