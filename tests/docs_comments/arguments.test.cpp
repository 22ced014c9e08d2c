// SPDX-License-Identifier: BSL-1.0
// The code of docs/reference, second half: limits, retries, observers, and what tests use.

#include <fanout.hpp>
#include <fanout/testing/convergence.hpp>
#include <fanout/testing/simulation.hpp>
#include <fanout/testing/virtual_clock.hpp>

#include "run.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct row {
    int customer;
    std::size_t mebibytes = 1;
};

struct connection {
    asio::awaitable<void> insert(row const&) {
        ++inserted;
        co_return;
    }
    bool is_open() const { return true; }
    int inserted = 0;
};

auto const too_busy = make_error_code(boost::system::errc::resource_unavailable_try_again);

asio::awaitable<void> write(row const&) { co_return; }

asio::awaitable<void> limits(std::vector<row> const& rows) {
    // [window]
    co_await fanout::when_all(rows, write, fanout::limit(64));
    co_await fanout::when_all(rows, write); // unlimited
    // [/window]

    // [semaphore]
    fanout::semaphore connections(64); // a member of the service; every request shares it
    co_await fanout::when_all(rows, write, connections);

    auto permit = co_await connections.async_acquire(); // or by hand; given back when `permit` is destroyed
    // [/semaphore]
    CHECK(connections.in_use() == 1);

    // [weighted]
    fanout::semaphore memory(512); // MiB
    auto const size = [](row const& r) { return r.mebibytes; };
    co_await fanout::when_all(rows, write, fanout::weighted(memory, size));
    // [/weighted]

    // [rate]
    fanout::rate writes_per_second(500, 50); // what the table is provisioned for
    co_await fanout::when_all(rows, write, writes_per_second);
    // [/rate]

    // [keyed]
    auto const customer = [](row const& r) { return r.customer; };
    co_await fanout::when_all(rows, write, fanout::all_of(fanout::limit(64), fanout::keyed(1, customer)));
    // [/keyed]

    // [all_of]
    co_await fanout::when_all(rows, write, fanout::all_of(fanout::limit(8), connections, writes_per_second));
    // [/all_of]
}

asio::awaitable<void> adaptive_and_pool(std::vector<row> const& rows) {
    // [adaptive]
    fanout::adaptive<fanout::aimd> writes({.maximum = 1000}); // shared by all that write to this table
    auto const throttled = [](fanout::error_code const& e) { return e == too_busy; };
    co_await fanout::when_all(rows, write, writes, fanout::overload_if(throttled));
    // [/adaptive]
    CHECK(writes.limit() >= 10);

    // [pool]
    auto const connect = []() -> asio::awaitable<connection> { co_return connection(); };
    fanout::pool<connection> connections(16, connect, [](connection& c) { return c.is_open(); });
    auto const insert = [](row const& r, connection& c) { return c.insert(r); };
    co_await fanout::when_all(rows, insert, connections);

    auto lease = co_await connections.acquire(); // by hand
    co_await lease->insert(rows.front());
    lease.give_back(); // without this it would be destroyed
    // [/pool]
    CHECK(connections.in_use() == 0);
    CHECK(connections.idle() > 0);
}

// [own-backoff]
struct linear {
    std::chrono::nanoseconds step = 100ms;

    template <class Generator>
    std::chrono::nanoseconds delay(std::uint32_t retry, Generator&) const {
        return (retry + 1) * step;
    }
};
static_assert(fanout::backoff<linear>);
// [/own-backoff]

asio::awaitable<void> retries(std::vector<row> const& rows, std::ostream& log) {
    // [attempt]
    auto const put = [&log](row const& r, fanout::attempt const& a) -> asio::awaitable<void> {
        if (a.number < 3) {
            throw boost::system::system_error(
                too_busy); // the server would know a.token from the attempt before
        }
        log << "customer " << r.customer << " at attempt " << a.number << '\n';
        co_return;
    };
    // [/attempt]
    // [policy]
    auto const busy = [](fanout::settled<void> const& o) { return o.error() == too_busy; };
    auto const retry_after = [](fanout::settled<void> const&) { return std::optional(1ms); };
    auto const note = [&log](fanout::retry_event const& e, fanout::settled<void> const& o) {
        log << e.index << ": " << o.error().message() << '\n';
    };
    std::minstd_rand seeded(1);
    fanout::token_budget budget; // for all calls to this backend
    auto r = co_await fanout::retry_rejected(rows, put, fanout::retry_policy{.max_attempts = 3},
                                             fanout::retry_if(busy), fanout::delay_hint(retry_after),
                                             fanout::on_retry(note), fanout::jitter_from(seeded), budget);
    // [/policy]
    CHECK(r.retries() == 2 * rows.size());
    // [retried]
    for (std::size_t i = 0; i < r.outcomes.size(); ++i) {
        log << i << ": " << r.attempts[i] << " attempts, " << (r.outcomes[i] ? "written" : "failed") << '\n';
    }
    // [/retried]
    CHECK(budget.refused() == 0);
}

} // namespace

TEST_CASE("the reference's limits do what the pages say") {
    std::vector<row> const rows{{1}, {2}, {1}};
    run(limits(rows));
    run(adaptive_and_pool(rows));
}

TEST_CASE("the reference's retries do what the pages say") {
    std::ostringstream log;
    run(retries({{5}}, log));
    CHECK(log.str() == "0: Resource temporarily unavailable\n0: Resource temporarily unavailable\n"
                       "customer 5 at attempt 3\n0: 3 attempts, written\n");
}

TEST_CASE("the reference's budgets and tokens do what the pages say") {
    // [budget]
    fanout::token_budget budget({.tokens = 20});
    auto const cost = budget.try_withdraw(false); // a retry of something transient
    CHECK(cost == 14);
    CHECK(!budget.try_withdraw(false)); // 6 tokens are left
    budget.fulfilled(*cost);            // that retry succeeded
    CHECK(budget.tokens() == 20);
    // [/budget]
}

TEST_CASE("the reference's algorithms do what the pages say") {
    // [aimd]
    fanout::aimd aimd({.maximum = 100, .initial = 10});
    aimd.on_sample({.rtt = 10ms, .in_flight = 10, .served = 10});
    CHECK(aimd.limit() == 20); // slow start
    aimd.on_sample({.in_flight = 20, .overloaded = true});
    CHECK(aimd.limit() == 18);
    aimd.on_sample({.rtt = 10ms, .in_flight = 18, .served = 18});
    CHECK(aimd.limit() == 19);
    // [/aimd]
    // [by-latency]
    fanout::vegas vegas({.maximum = 100, .initial = 10});
    fanout::gradient2 gradient({.maximum = 100, .initial = 10});
    for (int round_trip = 0; round_trip < 10; ++round_trip) { // a backend of 20 slots that queues
        auto const latency = [](std::size_t limit) { return limit <= 20 ? 10'000us : 500us * int(limit); };
        vegas.on_sample({.rtt = latency(vegas.limit()), .in_flight = vegas.limit(), .served = vegas.limit()});
        auto const l = gradient.limit();
        gradient.on_sample({.rtt = latency(l), .in_flight = l, .served = l});
    }
    CHECK(vegas.limit() >= 18);
    CHECK(vegas.limit() <= 24);
    CHECK(gradient.limit() >= 18);
    CHECK(gradient.limit() <= 25);
    // [/by-latency]
    // [baseline]
    fanout::baseline seen(30, 1);
    auto const first = seen.take({.rtt = 10ms, .in_flight = 10, .served = 10});
    CHECK(first == fanout::baseline::verdict::wait); // now the latency without a queue is known
    auto const second = seen.take({.rtt = 20ms, .in_flight = 20, .served = 20});
    CHECK(second == fanout::baseline::verdict::judge);
    CHECK(seen.ratio() == doctest::Approx(0.5)); // half of the time is spent in a queue
    // [/baseline]
}

TEST_CASE("the reference's tools for tests do what the pages say") {
    // [virtual_clock]
    using fanout::testing::virtual_clock;
    asio::io_context context;
    asio::basic_waitable_timer<virtual_clock> timer(context, 1h);
    auto rang = false;
    timer.async_wait([&rang](fanout::error_code const&) { rang = true; });
    CHECK(fanout::testing::run(context) == 1h); // at once
    CHECK(rang);
    // [/virtual_clock]
    // [simulation]
    fanout::testing::simulation time;
    fanout::testing::backend backend(time, {.slots = 2, .service = 10ms, .network = 1ms});
    auto turned_away = 0;
    for (int call = 0; call < 3; ++call) {
        backend.call([&turned_away](bool rejected) { turned_away += rejected ? 1 : 0; });
    }
    while (time.step()) {
    }
    CHECK(backend.served() == 2);
    CHECK(turned_away == 1);
    CHECK(time.now() == 11ms);
    // [/simulation]
}

TEST_CASE("the reference's convergence does what the page says") {
    // [convergence]
    struct fixed { // a limit that does not move
        std::size_t n, out = 0;
        std::size_t limit() const { return n; }
        std::size_t in_flight() const { return out; }
        std::uint64_t acquired() { return ++out; }
        void released(std::uint64_t, fanout::feedback const&) { --out; }
    };
    fanout::testing::simulation time;
    fanout::testing::backend backend(time, {.when_full = fanout::testing::backend::overload::queues});
    fixed limit{40};
    fanout::testing::closed_loop calls(time, backend, limit);
    fanout::testing::phase const phases[] = {{.slots = 40, .round_trips = 50}};
    auto const shown = fanout::testing::watch(
        time, backend, phases, [&] { return limit.limit(); }, [&] { return time.step(); });
    CHECK(shown[0].settled);
    CHECK(shown[0].goodput > 0.9);
    // [/convergence]
}
