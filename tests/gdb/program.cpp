// SPDX-License-Identifier: BSL-1.0

// A program to look at with gdb: it comes to scenes, and calls stop_here in each. test_gdb.py knows what is to be seen.

#include <fanout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/throw_exception.hpp>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace asio = boost::asio;
using asio::use_awaitable;

// What gdb stops at.
void stop_here([[maybe_unused]] char const* scene) {}

/// Whoever waits at it goes on when it is opened.
struct gate {
    explicit gate(asio::any_io_executor const& ex) : timer(ex, asio::steady_timer::time_point::max()) {}
    void open() { timer.cancel(); }
    asio::steady_timer timer;
};

struct row {
    int id;
    std::string name;
};
std::vector<row> const rows{{0, "Ann"}, {1, "Bob"}, {2, "Cid"}, {3, "Dan"},
                            {4, "Eve"}, {5, "Flo"}, {6, "Gus"}};
std::vector<row> const two_rows{{0, "Ann"}, {3, "Dan"}};
std::vector const numbers{30, 31, 32};
std::vector const inputs{0, 1, 2, 3, 4, 5, 6};

asio::awaitable<void> others_run() {
    for (int i = 0; i < 8; ++i) {
        co_await asio::post(use_awaitable);
    }
}

// ---- outcomes

asio::awaitable<int> child_that_ends(int i) {
    switch (i) {
    case 1: throw std::invalid_argument("row 1 is bad");
    case 2: throw boost::system::system_error(asio::error::make_error_code(asio::error::connection_reset));
    case 3: throw i;
    case 4: {
        asio::steady_timer for_ever(co_await asio::this_coro::executor,
                                    asio::steady_timer::time_point::max());
        co_await for_ever.async_wait(use_awaitable);
        break;
    }
    case 5:
        boost::throw_exception(boost::system::system_error(asio::error::make_error_code(asio::error::eof)));
    default: break;
    }
    co_return 10 * i;
}

asio::awaitable<void> outcomes() {
    auto const times = fanout::options{.attempt_timeout = std::chrono::milliseconds(5)};
    auto settled = co_await fanout::when_all_settled(inputs, child_that_ends, times);
    fanout::retried<int> retried;
    retried.outcomes = settled;
    retried.attempts = {1, 2, 2, 2, 2, 2, 1};
    auto const failures = retried.failures();
    std::tuple const pair(fanout::settled<void>(boost::outcome_v2::success()), fanout::settled<int>(70));
    fanout::settled<std::string> const word(std::string("Loki"));
    fanout::settled<int> const not_started(fanout::make_error_code(fanout::errc::not_started));
    boost::outcome_v2::boost_result<int> const result(
        boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory));
    stop_here("outcomes");
}

// ---- fan-outs that run

asio::awaitable<int> read(row const& r, gate& g) {
    if (r.id == 1 || r.id == 2) {
        co_return r.id; // the lane goes on to another
    }
    boost::system::error_code ignored;
    co_await g.timer.async_wait(asio::redirect_error(use_awaitable, ignored));
    co_return r.id;
}

asio::awaitable<int> find(row const& r, gate& g) {
    if (r.id == 5) {
        stop_here("in a child");
    }
    co_return co_await read(r, g);
}

// [read_all]
asio::awaitable<void> read_all(gate& g) {
    co_await fanout::when_all_settled(rows, [&g](row const& r) { return find(r, g); }, fanout::limit(3));
}
// [/read_all]

asio::awaitable<void> wait_all(gate& g) {
    co_await fanout::when_all_settled(
        numbers, [&g](int) { return g.timer.async_wait(asio::deferred); }, fanout::limit(2));
}

asio::awaitable<int> try_again(int i, fanout::attempt const& a, gate& g) {
    if (i == 31 && a.number == 1) {
        throw std::runtime_error("busy");
    }
    boost::system::error_code ignored;
    co_await g.timer.async_wait(asio::redirect_error(use_awaitable, ignored));
    co_return i;
}

asio::awaitable<void> try_all(gate& g) {
    co_await fanout::retry_rejected(
        numbers, [&g](int i, fanout::attempt const& a) { return try_again(i, a, g); },
        fanout::options{.deadline = std::chrono::hours(3)},
        fanout::retry_policy{.max_attempts = 3,
                             .backoff = fanout::constant{.interval = std::chrono::hours(1)}});
}

asio::awaitable<void> nested(gate& g) {
    co_await fanout::when_all(find(two_rows[1], g),
                              fanout::when_all(two_rows, [&g](row const& r) { return find(r, g); }));
}

/// Nobody runs it when gdb looks.
asio::io_context another;

asio::awaitable<void> wait_there(int) {
    asio::steady_timer for_ever(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await for_ever.async_wait(use_awaitable);
}

/// Each lane has a strand of its own.
asio::awaitable<void> on_another_context(gate&) {
    auto all = fanout::when_all(numbers, wait_there, fanout::on(another), fanout::limit(2));
    std::move(all)([](std::exception_ptr) {});
    another.poll();
    co_return;
}

/// Starts something, lets it come to rest and stops; then it may end.
template <class F>
asio::awaitable<void> scene(char const* name, F f) {
    auto const ex = co_await asio::this_coro::executor;
    gate g(ex);
    asio::co_spawn(ex, f(g), asio::detached);
    co_await others_run();
    stop_here(name);
    for (int i = 0; i < 4; ++i) { // for whoever comes to it only then
        g.open();
        co_await others_run();
    }
}

asio::awaitable<void> all_scenes() {
    co_await outcomes();
    co_await scene("coroutines", read_all);
    co_await scene("operations", wait_all);
    co_await scene("nested", nested);
    stop_here("nothing runs");
    co_await scene("another context", on_another_context);
    co_await scene("retries", try_all);
    stop_here("asleep"); // the two that ran have settled
    std::_Exit(0);       // its sleeps would last for hours
}

int main() {
    asio::io_context io(1);
    asio::co_spawn(io, all_scenes(), asio::detached);
    io.run();
}
