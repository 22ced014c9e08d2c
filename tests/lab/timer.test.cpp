// SPDX-License-Identifier: BSL-1.0
#include "world.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace asio = boost::asio;
using namespace lab_test;
using error_code = boost::system::error_code;
using timer = asio::basic_waitable_timer<lab::simulated_clock, asio::wait_traits<lab::simulated_clock>,
                                         asio::io_context::executor_type>;

TEST_CASE("timers fire in the order of their times, at exactly these") {
    world w;
    std::string order;
    timer late(w.context.get_executor(), 2h), early(w.context.get_executor(), 3ns);
    late.async_wait([&](error_code e) {
        CHECK_FALSE(e);
        CHECK(world::now() == 2h);
        order += "late";
    });
    early.async_wait([&](error_code e) {
        CHECK_FALSE(e);
        CHECK(world::now() == 3ns);
        order += "early ";
    });
    w.run();
    CHECK(order == "early late");
}

TEST_CASE("timers of the same time fire in the order in which they began to wait") {
    world w;
    std::string order;
    timer b(w.context.get_executor(), 1s), a(w.context.get_executor(), 1s);
    a.async_wait([&](error_code) { order += 'a'; });
    b.async_wait([&](error_code) { order += 'b'; });
    w.run();
    CHECK(order == "ab");
}

TEST_CASE("a timer of the past fires now, and the time does not run backwards") {
    world w;
    timer first(w.context.get_executor(), 5s), past(w.context.get_executor(), 1s);
    auto fired = 0;
    first.async_wait([&](error_code) {
        past.async_wait([&](error_code e) {
            CHECK_FALSE(e);
            CHECK(world::now() == 5s);
            ++fired;
        });
    });
    w.run();
    CHECK(fired == 1);
}

TEST_CASE("a cancelled wait completes with operation_aborted, later and once") {
    world w;
    timer t(w.context.get_executor(), 1s);
    auto completed = 0;
    t.async_wait([&](error_code e) {
        CHECK(e == asio::error::operation_aborted);
        ++completed;
    });
    SUBCASE("by cancel()") { CHECK(t.cancel() == 1); }
    SUBCASE("by another expiry") { CHECK(t.expires_at(lab::simulated_clock::time_point(9s)) == 1); }
    CHECK(t.cancel() == 0);
    CHECK(completed == 0); // not from where it was cancelled
    w.run();
    CHECK(completed == 1);
    CHECK(world::now() == 0s);
}

TEST_CASE("a cancellation slot ends the wait; after it has fired the slot does nothing") {
    world w;
    asio::cancellation_signal cancel;
    timer t(w.context.get_executor(), 1s), other(w.context.get_executor(), 2s);
    error_code seen;
    auto completed = 0;
    auto const wait = [&] {
        t.async_wait(asio::bind_cancellation_slot(cancel.slot(), [&](error_code e) {
            seen = e;
            ++completed;
        }));
    };
    SUBCASE("before") {
        wait();
        cancel.emit(asio::cancellation_type::terminal);
        w.run();
        CHECK(seen == asio::error::operation_aborted);
    }
    SUBCASE("after") {
        wait();
        w.run();
        cancel.emit(asio::cancellation_type::terminal);
        w.run();
        CHECK_FALSE(seen);
    }
    CHECK(completed == 1);
}

TEST_CASE("a context that is destroyed frees what waits, and nobody is called") {
    auto const owned = std::make_shared<int>(1);
    auto called = false;
    {
        world w;
        auto const t = std::make_shared<timer>(w.context.get_executor(), 1s);
        t->async_wait([&called, owned, t](error_code) { called = true; }); // the wait owns its timer
        CHECK(owned.use_count() == 2);
    }
    CHECK(owned.use_count() == 1);
    CHECK_FALSE(called);
}
