// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using fanout::keyed;
using test::manual_clock;
using namespace std::chrono_literals;
using times = fanout::basic_options<manual_clock>;

namespace {

using ids = std::vector<int>;

/// Children that are ended by hand, and the order in which they started.
class desk {
public:
    explicit desk(asio::io_context& c) : context_(&c) {}

    asio::awaitable<int> operator()(int id) {
        started.push_back(id);
        auto& g = gates_.try_emplace(id, context_->get_executor()).first->second;
        co_await g.wait(asio::deferred);
        co_return id;
    }

    void end(int id, error_code e = {}) {
        gates_.at(id).open(e);
        test::poll(*context_);
    }

    ids started;

private:
    asio::io_context* context_;
    std::map<int, test::gate> gates_;
};

/// Tens are keys: 31 is the second of key 3.
auto const tens = [](int i) { return i / 10; };

auto const inputs = [](int n) { return std::views::iota(0, n); };

/// Counts how far a source was pulled.
auto counted(std::vector<int> const& of, int& pulled) {
    return of | std::views::transform([&pulled](int i) {
               ++pulled;
               return i;
           });
}

/// A key that has an order and no hash; how many there are.
struct ordered {
    explicit ordered(int v) : value(v) { ++alive; }
    ordered(ordered const& o) : value(o.value) { ++alive; }
    ~ordered() { --alive; }
    friend bool operator<(ordered const& a, ordered const& b) { return a.value < b.value; }
    int value;
    static inline int alive = 0;
};

/// Per key: what runs, and in which order they started.
struct log_of_keys {
    void enter(int key, int i, int most) {
        auto& k = keys[key];
        CHECK(++k.running <= most);
        k.order.push_back(i);
    }
    void leave(int key) { --keys[key].running; }

    struct one {
        int running = 0;
        ids order;
    };
    std::map<int, one> keys;
};

/// No jitter, so that a test knows when a sleep ends.
struct every_second {
    template <class Generator>
    std::chrono::nanoseconds delay(std::uint32_t, Generator&) const {
        return 1s;
    }
};

} // namespace

TEST_CASE("0 per key and a lookahead of 0 are refused by name") {
    CHECK_THROWS_WITH_AS((void)keyed(0, tens), doctest::Contains("fanout::keyed"), std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)keyed(1, tens, 0), doctest::Contains("lookahead"), std::invalid_argument);
    auto const k = keyed(2, tens, 3);
    CHECK(k.permits() == 2);
    CHECK(k.lookahead() == 3);
}

TEST_CASE("an input whose key is busy waits aside, and those behind it go on") {
    asio::io_context context(1);
    desk d(context);
    std::vector<int> const in{10, 11, 12, 20, 13, 30, 21};
    auto r = test::launch(context, fanout::when_all(in, std::ref(d), keyed(1, tens)));
    test::poll(context);
    CHECK(d.started == ids{10, 20, 30});
    d.end(20);
    CHECK(d.started.back() == 21);
    d.end(10);
    CHECK(d.started.back() == 11);
    d.end(30);
    d.end(21);
    CHECK(d.started.size() == 5);
    d.end(11);
    d.end(12);
    CHECK(d.started == ids{10, 20, 30, 21, 11, 12, 13});
    CHECK_FALSE(r->done);
    d.end(13);
    REQUIRE(r->done);
    CHECK(*r->value == in); // results are in the order of the inputs
}

TEST_CASE("within a key they start in the order of the inputs, however they end") {
    asio::io_context context(1);
    std::mt19937 random(3);
    for (auto const most : {1, 3}) {
        CAPTURE(most);
        log_of_keys log;
        auto const child = [&](int i) -> asio::awaitable<int> {
            auto const key = i % 7;
            log.enter(key, i, most);
            for (auto turns = random() % 8; turns > 0; --turns) {
                co_await test::turn();
            }
            log.leave(key);
            co_return i;
        };
        auto const key = [](int i) { return std::to_string(i % 7); };
        auto const limit = static_cast<std::size_t>(most);
        auto a = test::run(context, fanout::when_all(inputs(2000), child, keyed(limit, key)));
        CHECK(a->value->size() == 2000);
        auto b = test::run(context, fanout::when_all(inputs(2000), child,
                                                     fanout::all_of(keyed(limit, key, 5), fanout::limit(4))));
        CHECK(b->value->size() == 2000);
        for (auto const& [k, one] : log.keys) {
            CHECK(std::ranges::is_sorted(one.order.begin(), one.order.end() - std::ssize(one.order) / 2));
            CHECK(std::ranges::is_sorted(one.order.end() - std::ssize(one.order) / 2, one.order.end()));
        }
    }
}

TEST_CASE("an input that sleeps before a retry keeps its key, and the other keys go on") {
    asio::io_context context(1);
    desk d(context);
    std::vector<int> const in{10, 11, 20, 21};
    fanout::retry_policy<every_second> const policy{.max_attempts = 3, .backoff = {}};
    auto r = test::launch(context, fanout::retry_rejected(in, std::ref(d), policy, keyed(1, tens), times{}));
    test::poll(context);
    d.end(10, asio::error::connection_reset);
    d.end(20);
    CHECK(d.started == ids{10, 20, 21});
    manual_clock::advance(1s, context);
    CHECK(d.started == ids{10, 20, 21, 10});
    d.end(10, asio::error::connection_reset);
    d.end(21);
    CHECK(d.started.size() == 4);
    manual_clock::advance(1s, context);
    d.end(10, asio::error::connection_reset); // for good
    CHECK(d.started == ids{10, 20, 21, 10, 10, 11});
    d.end(11);
    REQUIRE(r->done);
    CHECK(r->value->failed() == 1);
    CHECK(r->value->attempts == std::vector<std::uint32_t>{3, 1, 1, 1});
}

TEST_CASE("strictly one after another with n = 1, retries and random ends included") {
    asio::io_context context(1);
    std::mt19937 random(5);
    log_of_keys log;
    std::map<int, int> ended; // per key, the last input that ended for good
    std::map<int, int> tries;
    auto const child = [&](int i) -> asio::awaitable<int> {
        auto const key = i % 5;
        CHECK((i < 5 || ended[key] == i - 5)); // the one before it has ended, with all its attempts
        log.enter(key, i, 1);
        for (auto turns = random() % 4; turns > 0; --turns) {
            co_await test::turn();
        }
        log.leave(key);
        if (++tries[i] < 3 && random() % 3 == 0) {
            throw std::runtime_error("again");
        }
        ended[key] = i;
        co_return i;
    };
    auto const key = [](int i) { return i % 5; };
    fanout::retry_policy<every_second> const policy{.max_attempts = 3, .backoff = {}};
    fanout::semaphore s(3);
    auto r = test::launch(context, fanout::retry_rejected(inputs(500), child, policy,
                                                          fanout::all_of(keyed(1, key, 20), s), times{}));
    for (int i = 0; i < 2000 && !r->done; ++i) {
        manual_clock::advance(500ms, context);
    }
    REQUIRE(r->done);
    CHECK(r->value->failed() == 0);
    CHECK(r->value->retries() > 50);
    CHECK(s.in_use() == 0);
}

TEST_CASE("no further input is pulled while `lookahead` of them wait") {
    asio::io_context context(1);
    desk d(context);
    int pulled = 0;
    std::vector<int> const in{10, 11, 12, 13, 14, 20, 30, 31};
    auto r = test::launch(context, fanout::when_all(counted(in, pulled), std::ref(d), keyed(1, tens, 3)));
    test::poll(context);
    CHECK(d.started == ids{10});
    CHECK(pulled == 4); // one that runs, three aside
    d.end(10);
    CHECK(d.started == ids{10, 11});
    CHECK(pulled == 5);
    d.end(11);
    CHECK(d.started == ids{10, 11, 12, 20, 30}); // room again: to look past key 1, until 31 takes it
    CHECK(pulled == 8);
    for (auto const i : {12, 20, 13, 30, 14, 31}) {
        d.end(i);
    }
    CHECK(r->done);
    CHECK(pulled == 8);
}

TEST_CASE("a lookahead of 1, and inputs of one key only") {
    asio::io_context context(1);
    desk d(context);
    int pulled = 0;
    std::vector<int> const in{10, 11, 12, 13};
    auto r = test::launch(context, fanout::when_all(counted(in, pulled), std::ref(d), keyed(1, tens, 1)));
    test::poll(context);
    for (int i = 10; i < 14; ++i) {
        CHECK(d.started.back() == i);
        CHECK(pulled <= i - 8);
        d.end(i);
    }
    CHECK(r->done);
}

TEST_CASE("keys that have only an order; idle ones take no memory") {
    asio::io_context context(1);
    int most = 0;
    auto const child = [&](int i) -> asio::awaitable<int> {
        co_await test::turn();
        most = (std::max)(most, ordered::alive);
        co_return i;
    };
    auto const key = [](int i) { return ordered(i / 3); };
    auto r = test::run(
        context, fanout::when_all(inputs(3000), child, fanout::all_of(fanout::limit(10), keyed(1, key, 20))));
    CHECK(r->value->size() == 3000);
    CHECK(most >= 1);
    CHECK(most <= 10); // those that are busy
    CHECK(ordered::alive == 0);
}

TEST_CASE("a key function that throws ends the fan-out as a source that throws does, after what runs") {
    asio::io_context context(1);
    desk d(context);
    std::vector<int> const in{10, 11, 20, 99, 30};
    auto const picky = [](int i) { return i == 99 ? throw std::out_of_range("no such key") : i / 10; };
    auto r = test::launch(context, fanout::when_all_settled(in, std::ref(d), keyed(1, picky)));
    test::poll(context);
    CHECK(d.started == ids{10, 20});
    CHECK_FALSE(r->done);
    d.end(10);
    d.end(20);
    REQUIRE(r->done);
    CHECK(r->message() == "no such key");
    CHECK(d.started == ids{10, 20}); // neither 11, which waited, nor 30
}

TEST_CASE("inputs that wait for their key end as not started when the fan-out is stopped") {
    asio::io_context context(1);
    desk d(context);
    asio::cancellation_signal cancel;
    std::vector<int> const in{10, 11, 12, 20, 21};
    SUBCASE("terminal") {
        auto r =
            test::launch(context, fanout::when_all_settled(in, std::ref(d), keyed(1, tens)), cancel.slot());
        test::poll(context);
        cancel.emit(asio::cancellation_type::terminal);
        test::poll(context);
        REQUIRE(r->done);
        CHECK(r->value->at(0).error() == errc::cancelled_by_caller);
        CHECK(r->value->at(3).error() == errc::cancelled_by_caller);
        for (auto const i : {1U, 2U, 4U}) {
            CHECK(r->value->at(i).error() == errc::not_started);
        }
    }
    SUBCASE("partial: what runs goes on to its end") {
        auto r =
            test::launch(context, fanout::when_all_settled(in, std::ref(d), keyed(1, tens)), cancel.slot());
        test::poll(context);
        cancel.emit(asio::cancellation_type::partial);
        test::poll(context);
        CHECK_FALSE(r->done);
        d.end(10);
        d.end(20);
        REQUIRE(r->done);
        CHECK(r->value->at(0).has_value());
        for (auto const i : {1U, 2U, 4U}) {
            CHECK(r->value->at(i).error() == errc::not_started);
        }
    }
    SUBCASE("deadline") {
        fanout::stats seen;
        auto r = test::launch(
            context, fanout::when_all_settled(in, std::ref(d), keyed(1, tens), times{.deadline = 5s}, seen));
        test::poll(context);
        manual_clock::advance(5s, context);
        test::poll(context);
        REQUIRE(r->done);
        CHECK(r->value->at(0).error() == errc::timed_out);
        CHECK(r->value->at(1).error() == errc::not_started);
        CHECK(seen.not_started() == 3);
    }
    SUBCASE("fail-fast") {
        auto r = test::launch(context, fanout::when_all(in, std::ref(d), keyed(1, tens)));
        test::poll(context);
        d.end(20, asio::error::connection_reset);
        REQUIRE(r->done);
        CHECK(r->code() == asio::error::connection_reset);
    }
    SUBCASE("while one sleeps") {
        fanout::retry_policy<every_second> const policy{.max_attempts = 3, .backoff = {}};
        auto r = test::launch(
            context, fanout::retry_rejected(in, std::ref(d), policy, keyed(1, tens), times{}), cancel.slot());
        test::poll(context);
        d.end(10, asio::error::connection_reset);
        d.end(20, asio::error::connection_reset);
        CHECK_FALSE(r->done);
        cancel.emit(asio::cancellation_type::total);
        test::poll(context);
        REQUIRE(r->done);
        CHECK(r->value->outcomes.at(0).error() == asio::error::connection_reset);
        CHECK(r->value->outcomes.at(1).error() == errc::not_started);
    }
    CHECK(d.started == ids{10, 20});
}

TEST_CASE("a fan-out goes with its context while inputs wait aside") {
    auto const alive = std::make_shared<int>();
    {
        asio::io_context context(1);
        desk d(context);
        auto const child = [&d, alive](int i) { return d(i); };
        test::launch(context, fanout::when_all(inputs(10), child, keyed(1, tens)));
        test::poll(context);
        CHECK(alive.use_count() > 2);
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("together with limits that others share: the permit is not held for an input whose key is busy") {
    fanout::semaphore s(2);
    asio::io_context context(1);
    desk d(context);
    std::vector<int> const in{10, 11, 12, 13};
    auto r = test::launch(context, fanout::when_all(in, std::ref(d), fanout::all_of(s, keyed(1, tens))));
    test::poll(context);
    CHECK(d.started == ids{10});
    CHECK(s.in_use() == 1);
    {
        auto const other = s.try_acquire();
        CHECK(other);
        d.end(10);
        CHECK(d.started == ids{10, 11});
    }
    for (auto const i : {11, 12, 13}) {
        d.end(i);
    }
    REQUIRE(r->done);
    CHECK(s.in_use() == 0);
}

TEST_CASE("two fan-outs with keys share a semaphore, with weights by input or without") {
    fanout::semaphore s(3);
    asio::io_context context(1);
    std::mt19937 random(9);
    log_of_keys one, two;
    auto const child = [&random](log_of_keys& log) {
        return [&random, &log](int i) -> asio::awaitable<int> {
            log.enter(i % 4, i, 1);
            for (auto turns = random() % 5; turns > 0; --turns) {
                co_await test::turn();
            }
            log.leave(i % 4);
            co_return i;
        };
    };
    auto const first = child(one), second = child(two);
    auto const key = [](int i) { return i % 4; };
    auto const weight = [](int i) { return 1 + i % 3; };
    SUBCASE("without") {
        auto a =
            test::launch(context, fanout::when_all(inputs(400), first, fanout::all_of(keyed(1, key, 3), s)));
        auto b =
            test::launch(context, fanout::when_all(inputs(400), second, fanout::all_of(s, keyed(1, key))));
        test::poll(context);
        CHECK(a->done);
        CHECK(b->done);
    }
    SUBCASE("with") {
        auto const weighed = fanout::weighted(s, weight);
        auto a = test::launch(
            context, fanout::when_all(inputs(400), first, fanout::all_of(keyed(1, key, 1), weighed)));
        auto b = test::launch(context,
                              fanout::when_all(inputs(400), second, fanout::all_of(weighed, keyed(1, key))));
        test::poll(context);
        CHECK(a->done);
        CHECK(b->done);
    }
    for (auto const* log : {&one, &two}) {
        for (auto const& [k, each] : log->keys) {
            CHECK(each.order.size() == 100);
            CHECK(std::ranges::is_sorted(each.order));
        }
    }
    CHECK(s.in_use() == 0);
    CHECK(s.waiting() == 0);
}

TEST_CASE("100,000 inputs, with 10 keys and with a key each; children that complete at once, too") {
    asio::io_context context(1);
    constexpr int n = 100'000;
    auto const turns = [](int) -> asio::awaitable<void> { co_await test::turn(); };
    auto const posts = [](int) { return asio::post(asio::deferred); };
    auto const at_once = [](int) {
        return test::make_operation<void(error_code)>([](auto handler) { std::move(handler)(error_code()); });
    };
    auto const few = [](int i) { return i % 10; };
    auto const all = [](int i) { return i; };
    auto const limit = fanout::limit(64);
    SUBCASE("10") {
        CHECK_FALSE(
            test::run(context, fanout::when_all(inputs(n), turns, fanout::all_of(limit, keyed(1, few))))
                ->error);
        CHECK_FALSE(test::run(context, fanout::when_all(inputs(n), posts, keyed(2, few)))->error);
        CHECK_FALSE(test::run(context, fanout::when_all(inputs(n), at_once, keyed(1, few)))->error);
    }
    SUBCASE("each") {
        CHECK_FALSE(
            test::run(context, fanout::when_all(inputs(n), turns, fanout::all_of(limit, keyed(1, all))))
                ->error);
        CHECK_FALSE(test::run(context, fanout::when_all(inputs(n), posts, keyed(1, all)))->error);
        CHECK_FALSE(test::run(context, fanout::when_all(inputs(n), at_once, keyed(1, all)))->error);
    }
}

TEST_CASE("inputs that the range makes on the fly are kept while they wait aside") {
    asio::io_context context(1);
    auto const make = [](int i) { return std::make_unique<std::string>("input " + std::to_string(i)); };
    auto const key = [](std::unique_ptr<std::string> const& s) { return s->size() % 2; };
    auto const child = [](std::unique_ptr<std::string> s) -> asio::awaitable<std::string> {
        co_await test::turn();
        co_return *s;
    };
    auto r =
        test::run(context, fanout::when_all(inputs(50) | std::views::transform(make), child, keyed(1, key)));
    REQUIRE(r->value);
    for (int i = 0; i < 50; ++i) {
        CHECK(r->value->at(static_cast<std::size_t>(i)) == "input " + std::to_string(i));
    }
}
