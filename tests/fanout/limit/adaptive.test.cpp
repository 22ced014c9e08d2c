// SPDX-License-Identifier: BSL-1.0

// What an adaptive limit is told by the children of a fan-out, and what it does with that. The algorithms themselves are
// tested by plain numbers in tests/fanout/limit/algorithm.

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <ranges>
#include <stdexcept>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using fanout::sample;
using test::manual_clock;
using namespace std::chrono_literals;

namespace {

/// An algorithm of one's own: does what the test says, and remembers what it was told.
struct probe {
    struct options {
        std::size_t limit = 1;
        std::vector<sample>* seen = nullptr;
        std::size_t* next = nullptr; // the limit after the next sample
    };
    explicit probe(options const& o) : how(o) {}

    std::size_t limit() const noexcept { return how.limit; }
    void on_sample(sample const& s) noexcept {
        how.seen->push_back(s);
        if (how.next != nullptr) {
            how.limit = *how.next;
        }
    }

    options how;
};
static_assert(fanout::limit_algorithm<probe>);

using timed = fanout::basic_options<manual_clock>;

asio::awaitable<void> open_gate(test::gate& g) { co_await g.wait(asio::deferred); }

/// A fan-out over one gate per input, under a limit that a probe moves.
struct scene {
    explicit scene(std::size_t limit) : a(probe::options{limit, &seen, &next}), next(limit) {
        for (int i = 0; i < 10; ++i) {
            gates.emplace_back(context.get_executor());
        }
    }

    asio::io_context context{1};
    std::vector<sample> seen;
    fanout::adaptive<probe> a;
    std::size_t next;
    std::deque<test::gate> gates;
    asio::cancellation_signal cancel;

    auto child() {
        return [this](int i) { return open_gate(gates[static_cast<std::size_t>(i)]); };
    }
    int waiting() const {
        int n = 0;
        for (auto const& g : gates) {
            n += g.waiting() ? 1 : 0;
        }
        return n;
    }
    void end(std::size_t i, error_code e = {}) {
        gates[i].open(e);
        test::poll(context);
    }
};

bool is_reset(error_code const& e) { return e == asio::error::connection_reset; }

} // namespace

TEST_CASE("a fulfilled child tells its latency, by the clock of its call") {
    scene x(1);
    auto const factory = x.child();
    auto r = test::launch(x.context, fanout::when_all(std::views::iota(0, 2), factory, x.a, timed{}));
    test::poll(x.context);
    manual_clock::current += 30ms;
    x.end(0);
    REQUIRE(x.seen.size() == 1);
    CHECK(x.seen[0].rtt == 30ms);
    CHECK(x.seen[0].in_flight == 1);
    CHECK_FALSE(x.seen[0].overloaded);
    manual_clock::current += 50ms; // from its own start, not from that of the call
    x.end(1);
    REQUIRE(x.seen.size() == 2);
    CHECK(x.seen[1].rtt == 50ms);
    CHECK(r->done);
}

TEST_CASE("a rejection tells of overload where overload_if says so, and of nothing otherwise") {
    scene x(4);
    auto const factory = x.child();
    auto r = test::launch(x.context, fanout::when_all_settled(std::views::iota(0, 4), factory, x.a, timed{},
                                                              fanout::overload_if(is_reset)));
    test::poll(x.context);
    x.end(0, asio::error::host_not_found);
    CHECK(x.seen.empty());
    x.end(1, asio::error::connection_reset);
    REQUIRE(x.seen.size() == 1);
    CHECK(x.seen[0].overloaded);
    x.end(2, asio::error::connection_reset); // of the same burst
    CHECK(x.seen.size() == 1);
    x.end(3);
    CHECK(r->done);
    CHECK(x.a.in_use() == 0);
}

TEST_CASE("overload_if may look at what was thrown") {
    asio::io_context context(1);
    std::vector<sample> seen;
    fanout::adaptive<probe> a(probe::options{1, &seen, nullptr});
    struct slow_down : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    auto const child = [](int i) -> asio::awaitable<void> {
        if (i == 1) {
            throw slow_down("later, please");
        }
        throw std::runtime_error("no");
        co_return;
    };
    auto const asks_to_slow_down = [](error_code const& code, std::exception_ptr const& e) {
        try {
            if (code == errc::exception && e) {
                std::rethrow_exception(e);
            }
        } catch (slow_down const&) {
            return true;
        } catch (...) {
        }
        return false;
    };
    test::run(context, fanout::when_all_settled(std::views::iota(0, 3), child, a,
                                                fanout::overload_if(asks_to_slow_down)));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].overloaded);
}

TEST_CASE("an attempt that runs into its time limit tells of overload; the deadline tells nothing") {
    scene x(2);
    auto const factory = x.child();
    SUBCASE("attempt_timeout") {
        auto r = test::launch(x.context, fanout::when_all_settled(std::views::iota(0, 2), factory, x.a,
                                                                  timed{.attempt_timeout = 1s}));
        test::poll(x.context);
        manual_clock::advance(1s, x.context);
        CHECK(r->done);
        REQUIRE(x.seen.size() == 1);
        CHECK(x.seen[0].overloaded);
    }
    SUBCASE("deadline") {
        auto r = test::launch(
            x.context, fanout::when_all_settled(std::views::iota(0, 2), factory, x.a, timed{.deadline = 1s}));
        test::poll(x.context);
        manual_clock::advance(1s, x.context);
        CHECK(r->done);
        CHECK(x.seen.empty());
    }
    CHECK(x.a.in_use() == 0);
}

TEST_CASE("cancelled children tell nothing, whoever cancelled them") {
    scene x(3);
    auto const factory = x.child();
    SUBCASE("by a sibling, whose own error is none of overload") {
        auto r = test::launch(x.context, fanout::when_all(std::views::iota(0, 3), factory, x.a, timed{},
                                                          fanout::overload_if([](error_code const& e) {
                                                              return e != asio::error::host_not_found;
                                                          })));
        test::poll(x.context);
        x.end(0, asio::error::host_not_found);
        CHECK(r->code() == asio::error::host_not_found);
    }
    SUBCASE("by the caller") {
        auto r = test::launch(
            x.context,
            fanout::when_all_settled(std::views::iota(0, 3), factory, x.a, timed{},
                                     fanout::overload_if([](error_code const&) { return true; })),
            x.cancel.slot());
        test::poll(x.context);
        x.cancel.emit(asio::cancellation_type::terminal);
        test::poll(x.context);
        CHECK(r->done);
    }
    CHECK(x.seen.empty());
    CHECK(x.a.in_use() == 0);
}

TEST_CASE("a limit that grows lets more start at once; one that shrinks lets what runs end") {
    scene x(2);
    auto const factory = x.child();
    auto const end_one = [&] {
        for (std::size_t i = 0; i < 10; ++i) {
            if (x.gates[i].waiting()) {
                x.end(i);
                return;
            }
        }
    };
    auto const end_a_round_trip = [&] {
        for (auto const before = x.seen.size(); x.seen.size() == before;) {
            end_one();
        }
    };
    auto r = test::launch(x.context, fanout::when_all(std::views::iota(0, 10), factory, x.a, timed{}));
    test::poll(x.context);
    CHECK(x.waiting() == 2);
    x.next = 4;
    end_a_round_trip();
    CHECK(x.a.limit() == 4);
    CHECK(x.waiting() == 4);
    x.next = 1;
    end_a_round_trip();
    CHECK(x.a.limit() == 1);
    for (auto before = x.waiting(); !r->done; before = x.waiting()) {
        end_one();
        CHECK(x.waiting() <= (std::max)(before - 1, 1)); // none starts until all but one have ended
    }
    CHECK(x.a.in_use() == 0);
}

TEST_CASE("several calls teach one limit") {
    asio::io_context context(1);
    fanout::adaptive<fanout::aimd> a({.maximum = 100});
    int running = 0, turned_away = 0;
    auto const child = [&](int i) -> asio::awaitable<int> {
        ++running;
        auto const full = running > 20;
        turned_away += full ? 1 : 0;
        for (int k = 0; k < (full ? 1 : 10); ++k) {
            co_await test::turn();
        }
        --running;
        if (full) {
            throw boost::system::system_error(asio::error::connection_reset);
        }
        co_return i;
    };
    fanout::retry_policy const policy{.max_attempts = 1000, .backoff = fanout::exponential{.base = 0ns}};
    auto const inputs = std::views::iota(0, 2000);
    auto first = test::launch(
        context, fanout::retry_rejected(inputs, child, policy, a, fanout::overload_if(is_reset)));
    auto second = test::launch(
        context, fanout::retry_rejected(inputs, child, policy, a, fanout::overload_if(is_reset)));
    context.run();
    REQUIRE(first->done);
    CHECK(first->value->failed() == 0);
    CHECK(second->value->failed() == 0);
    CHECK(a.limit() >= 15);
    CHECK(a.limit() <= 25);
    CHECK(turned_away < 400);
}

TEST_CASE("options and algorithms are handed through, and bad options refused by name") {
    CHECK(fanout::adaptive<fanout::vegas>({.maximum = 50, .initial = 7}).limit() == 7);
    CHECK(fanout::adaptive<fanout::gradient2>(fanout::gradient2({.initial = 3})).limit() == 3);
    CHECK_THROWS_WITH_AS(fanout::adaptive<fanout::aimd>({.minimum = 0}), doctest::Contains("aimd"),
                         std::invalid_argument);
}

TEST_CASE("by hand: waits its turn, teaches on release") {
    asio::io_context context(1);
    std::vector<sample> seen;
    fanout::adaptive<probe> a(probe::options{1, &seen, nullptr});
    auto held = a.try_acquire();
    REQUIRE(held);
    CHECK_FALSE(a.try_acquire());
    fanout::adaptive<probe>::permit got;
    error_code error;
    asio::cancellation_signal cancel;
    auto const take = [&](error_code e, fanout::adaptive<probe>::permit p) {
        error = e;
        got = std::move(p);
    };
    a.async_acquire(asio::bind_executor(context, take));
    test::poll(context);
    CHECK_FALSE(got);
    held.release({fanout::feedback::success, 5ms, fanout::state::fulfilled});
    test::poll(context);
    REQUIRE(got);
    CHECK(seen.size() == 1);
    a.async_acquire(
        asio::bind_cancellation_slot(cancel.slot(), asio::bind_executor(context, [&](error_code e, auto p) {
                                         error = e;
                                         CHECK_FALSE(p);
                                     })));
    cancel.emit(asio::cancellation_type::total);
    test::poll(context);
    CHECK(error == asio::error::operation_aborted);
    got = {};
    CHECK(a.in_use() == 0);
    CHECK(seen.size() == 1); // one that was just dropped tells nothing
}
