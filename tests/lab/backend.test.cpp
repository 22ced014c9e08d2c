// SPDX-License-Identifier: BSL-1.0
#include "../../benchmarks/lab/simulated_backend.hpp"
#include "world.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace lab_test;
using lab::backend_error;
using lab::backend_options;
using lab::distribution;

namespace {

struct told {
    std::chrono::nanoseconds at{};
    boost::system::error_code error;
};

// A backend, and what became of the calls to it.
class called : public world {
public:
    explicit called(backend_options const& o) : backend(o) {}

    void call(std::size_t input, std::uint32_t attempt = 1, asio::cancellation_slot slot = {}) {
        auto const i = calls.size();
        calls.emplace_back();
        asio::co_spawn(context, noted(i, input, attempt),
                       asio::bind_cancellation_slot(slot, [](std::exception_ptr e) { CHECK(e == nullptr); }));
    }

    asio::awaitable<void> noted(std::size_t i, std::size_t input, std::uint32_t attempt) {
        auto const a = co_await backend.call(input, attempt);
        calls[i] = {now(), a.has_error() ? a.error() : boost::system::error_code()};
    }

    std::size_t failed() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(calls, [](told const& t) { return t.error.failed(); }));
    }

    lab::simulated_backend backend;
    std::vector<told> calls;
};

backend_options ten_milliseconds() {
    backend_options o;
    o.service = distribution::constant{10ms};
    o.network = 2ms;
    return o;
}

} // namespace

TEST_CASE("calls beyond the capacity wait, first come first served") {
    auto o = ten_milliseconds();
    o.capacity = 2;
    called c(o);
    for (std::size_t i = 0; i < 5; ++i)
        c.call(i);
    c.run();
    std::chrono::nanoseconds const ends[] = {12ms, 12ms, 22ms, 22ms, 32ms};
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(c.calls[i].at == ends[i]);
        CHECK_FALSE(c.calls[i].error);
    }
}

TEST_CASE("a place that was free for a while is as good as a new one") {
    auto o = ten_milliseconds();
    o.capacity = 2;
    called c(o);
    c.call(0);
    c.run();
    for (std::size_t i = 1; i < 4; ++i)
        c.call(i);
    c.run();
    CHECK(c.calls[1].at == 24ms);
    CHECK(c.calls[2].at == 24ms);
    CHECK(c.calls[3].at == 34ms);
}

TEST_CASE("without a capacity nobody waits") {
    called c(ten_milliseconds());
    for (std::size_t i = 0; i < 500; ++i)
        c.call(i);
    c.run();
    CHECK(std::ranges::all_of(c.calls, [](told const& t) { return t.at == 12ms && !t.error; }));
}

TEST_CASE("what comes too fast is throttled, and takes only its way there and back") {
    auto o = ten_milliseconds();
    o.throttle = 100; // a call in 10 ms
    o.burst = 2;
    called c(o);
    for (std::size_t i = 0; i < 3; ++i)
        c.call(i);
    c.run(); // 12 ms: a token has come
    CHECK_FALSE(c.calls[0].error);
    CHECK_FALSE(c.calls[1].error);
    CHECK(c.calls[2].error == backend_error::throttled);
    CHECK(c.calls[2].at == 2ms);
    c.call(3);
    c.call(4);
    c.run();
    CHECK_FALSE(c.calls[3].error);
    CHECK(c.calls[4].error == backend_error::throttled);
}

TEST_CASE("beyond the connection limit a call is refused, and no time passes") {
    auto o = ten_milliseconds();
    o.connections = 3;
    called c(o);
    for (std::size_t i = 0; i < 4; ++i)
        c.call(i);
    c.run();
    CHECK(c.failed() == 1);
    CHECK(c.calls[3].error == backend_error::refused);
    CHECK(c.calls[3].at == 0ms);
    c.call(4); // the others have ended
    c.run();
    CHECK_FALSE(c.calls[4].error);
}

TEST_CASE("so many calls fail as are to, after they were served") {
    auto o = ten_milliseconds();
    o.errors = 0.05;
    called c(o);
    for (std::size_t i = 0; i < 20'000; ++i)
        c.call(i);
    c.run();
    CHECK(c.failed() > 900);
    CHECK(c.failed() < 1100);
    CHECK(std::ranges::all_of(c.calls, [](told const& t) {
        return t.at == 12ms && (!t.error || t.error == backend_error::failed);
    }));
}

TEST_CASE("what becomes of a call depends on seed, input and attempt alone, not on the order of the calls") {
    auto o = ten_milliseconds();
    o.service = distribution::exponential{10ms};
    o.errors = 0.3;
    called forwards(o), backwards(o);
    for (std::size_t i = 0; i < 100; ++i) {
        forwards.call(i, 2);
        backwards.call(99 - i, 2);
    }
    forwards.run();
    lab::simulated_clock::current = {};
    backwards.run();
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK(forwards.calls[i].at == backwards.calls[99 - i].at);
        CHECK(forwards.calls[i].error == backwards.calls[99 - i].error);
    }
    auto const same_as_forwards = [&](backend_options const& other, std::uint32_t attempt) {
        called c(other);
        for (std::size_t i = 0; i < 100; ++i)
            c.call(i, attempt);
        c.run();
        std::size_t n = 0;
        for (std::size_t i = 0; i < 100; ++i)
            n += c.calls[i].at == forwards.calls[i].at ? 1 : 0;
        return n;
    };
    CHECK(same_as_forwards(o, 2) == 100);
    CHECK(same_as_forwards(o, 1) < 5);
    o.seed = 2;
    CHECK(same_as_forwards(o, 2) < 5);
}

TEST_CASE("a cancelled call ends at once, and the server, which knows nothing of that, works on") {
    auto o = ten_milliseconds();
    o.capacity = 1;
    called c(o);
    asio::cancellation_signal cancel;
    c.call(0, 1, cancel.slot());
    c.context.poll(); // it waits
    cancel.emit(asio::cancellation_type::terminal);
    c.call(1);
    c.run();
    CHECK(c.calls[0].error == asio::error::operation_aborted);
    CHECK(c.calls[0].at == 0ms);
    CHECK(c.calls[1].at == 22ms);
}

TEST_CASE("too much is what is throttled or refused, not what fails") {
    lab::simulated_backend const b(ten_milliseconds());
    CHECK(b.is_overload(backend_error::throttled));
    CHECK(b.is_overload(backend_error::refused));
    CHECK_FALSE(b.is_overload(backend_error::failed));
    CHECK_FALSE(b.is_overload(asio::error::connection_reset));
}
