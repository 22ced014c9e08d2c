// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <ranges>
#include <stdexcept>
#include <vector>

namespace asio = boost::asio;
using fanout::errc;
using fanout::error_code;
using fanout::semaphore;
using fanout::weighted;
using test::manual_clock;
using namespace std::chrono_literals;
using times = fanout::basic_options<manual_clock>;

namespace {

/// A piece of work and what it weighs.
struct file {
    int id;
    int mebibytes;
};

/// Children that are ended by hand; says who runs, and what they weigh together.
class desk {
public:
    explicit desk(asio::io_context& c) : context_(&c) {}

    asio::awaitable<int> operator()(file f) {
        started.push_back(f.id);
        total += f.mebibytes;
        peak = (std::max)(peak, total);
        auto& g = gates_.try_emplace(f.id, context_->get_executor()).first->second;
        co_await g.wait(asio::deferred);
        total -= f.mebibytes;
        co_return f.id;
    }

    void end(int id, error_code e = {}) {
        gates_.at(id).open(e);
        test::poll(*context_);
    }

    std::vector<int> started;
    int total = 0;
    int peak = 0;

private:
    asio::io_context* context_;
    std::map<int, test::gate> gates_;
};

auto const size_of = [](file const& f) { return f.mebibytes; };
using ids = std::vector<int>;

} // namespace

TEST_CASE("a weight of 0 or less for all is refused by name") {
    semaphore s(3);
    CHECK_THROWS_WITH_AS((void)weighted(s, 0), doctest::Contains("fanout::weighted"), std::invalid_argument);
    CHECK_THROWS_AS((void)weighted(s, -4), std::invalid_argument);
    CHECK_THROWS_AS((void)weighted(s, 0U), std::invalid_argument);
    CHECK_NOTHROW((void)weighted(s, 1'000'000'000'000));
}

TEST_CASE("one weight for all") {
    semaphore s(7);
    asio::io_context context(1);
    desk d(context);
    std::vector<file> const files{{0, 3}, {1, 3}, {2, 3}};
    auto r = test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, 3)));
    test::poll(context);
    CHECK(d.started == ids{0, 1});
    CHECK(s.in_use() == 6);
    d.end(1);
    CHECK(d.started == ids{0, 1, 2});
    d.end(0);
    d.end(2);
    REQUIRE(r->done);
    CHECK(s.in_use() == 0);
    auto pair = test::launch(context, fanout::when_all(d({3, 3}), d({4, 3}), d({5, 3}), weighted(s, 3)));
    test::poll(context);
    CHECK(d.started == ids{0, 1, 2, 3, 4});
    for (auto const i : {3, 4, 5}) {
        d.end(i);
    }
    CHECK(pair->done);
}

TEST_CASE("by input: they start in order, a light one does not overtake a heavy one") {
    semaphore s(10);
    asio::io_context context(1);
    desk d(context);
    std::vector<file> const files{{0, 4}, {1, 4}, {2, 5}, {3, 1}, {4, 1}, {5, 10}, {6, 1}};
    auto r = test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, size_of)));
    test::poll(context);
    CHECK(d.started == ids{0, 1}); // 2 free, 2 wants 5
    CHECK(s.waiting() == 1);
    d.end(0);
    CHECK(d.started == ids{0, 1, 2, 3});
    CHECK(s.in_use() == 10);
    d.end(3);
    CHECK(d.started.back() == 4);
    d.end(1);
    d.end(4);
    CHECK(d.started.size() == 5); // all of them are needed for 5
    d.end(2);
    CHECK(d.started.back() == 5);
    CHECK(d.total == 10);
    d.end(5);
    d.end(6);
    REQUIRE(r->done);
    CHECK(*r->value == ids{0, 1, 2, 3, 4, 5, 6});
    CHECK(d.peak == 10);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a weight above the permits counts as all of them: served alone") {
    semaphore s(3);
    asio::io_context context(1);
    desk d(context);
    std::vector<file> const files{{0, 1}, {1, 1000}, {2, 1}};
    auto r = test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, &file::mebibytes)));
    test::poll(context);
    CHECK(d.started == ids{0});
    d.end(0);
    CHECK(d.started == ids{0, 1});
    CHECK(s.in_use() == 3);
    d.end(1);
    d.end(2);
    CHECK(r->done);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a weight of 0, a negative one, or a function that throws rejects that child only") {
    semaphore s(3);
    std::vector<file> const files{{0, 1}, {1, 0}, {2, 2}, {3, -1}, {4, 99}, {5, 3}};
    auto const weigh = [](file const& f) {
        if (f.mebibytes == 99) {
            throw std::length_error("not on this scale");
        }
        return f.mebibytes;
    };
    asio::io_context context(1);
    auto const quick = [](file f) -> asio::awaitable<int> {
        co_await test::turn();
        co_return f.id;
    };
    auto const check = [&](auto const& r) {
        test::poll(context);
        REQUIRE(r->done);
        auto const& o = *r->value;
        for (std::size_t i = 0; i < files.size(); ++i) {
            CAPTURE(i);
            CHECK(o[i].has_value() == (i == 0 || i == 2 || i == 5));
        }
        CHECK_THROWS_AS((void)o[1].value(), std::invalid_argument);
        CHECK_THROWS_AS((void)o[3].value(), std::invalid_argument);
        CHECK_THROWS_WITH_AS((void)o[4].value(), "not on this scale", std::length_error);
        CHECK(s.in_use() == 0);
        CHECK(s.waiting() == 0);
    };
    check(test::launch(context, fanout::when_all_settled(files, quick, weighted(s, weigh))));
    auto const one_key = [](file const&) { return 0; };
    check(test::launch(
        context, fanout::when_all_settled(files, quick,
                                          fanout::all_of(weighted(s, weigh), fanout::keyed(1, one_key)))));
    auto r = test::launch(context, fanout::when_all(files, quick, weighted(s, weigh)));
    test::poll(context);
    REQUIRE(r->done);
    CHECK_THROWS_AS(std::rethrow_exception(r->error), std::invalid_argument);
}

TEST_CASE("first come, first served across fan-outs: a light one waits behind another's heavy one") {
    semaphore s(4);
    asio::io_context context(1);
    desk d(context);
    std::vector<file> const heavy{{0, 2}, {1, 4}, {2, 1}};
    std::vector<file> const light{{10, 1}, {11, 1}};
    asio::cancellation_signal cancel;
    auto a = test::launch(context, fanout::when_all_settled(heavy, std::ref(d), weighted(s, size_of)),
                          cancel.slot());
    test::poll(context);
    auto b = test::launch(context, fanout::when_all(light, std::ref(d), weighted(s, size_of)));
    test::poll(context);
    CHECK(d.started == ids{0});
    CHECK(s.waiting() == 2);
    SUBCASE("until it has run") {
        d.end(0);
        CHECK(d.started == ids{0, 1});
        d.end(1);
        CHECK(std::ranges::count(d.started, 10) == 1);
        d.end(2);
        CHECK(a->done);
    }
    SUBCASE("or is cancelled: then it goes on at once") {
        cancel.emit(asio::cancellation_type::partial);
        test::poll(context);
        CHECK(d.started == ids{0, 10, 11});
        d.end(0);
        REQUIRE(a->done);
        CHECK(a->value->at(0).has_value());
        CHECK(a->value->at(1).error() == errc::not_started);
        CHECK(a->value->at(2).error() == errc::not_started);
    }
    d.end(10);
    d.end(11);
    CHECK(b->done);
    CHECK(s.in_use() == 0);
}

TEST_CASE("a heavy input that waits ends as not started: by the deadline, by a sibling, with its context") {
    semaphore s(4);
    auto held = s.try_acquire(1);
    std::vector<file> const files{{0, 1}, {1, 4}, {2, 1}};
    {
        asio::io_context context(1);
        desk d(context);
        SUBCASE("deadline") {
            auto r = test::launch(context, fanout::when_all_settled(files, std::ref(d), weighted(s, size_of),
                                                                    times{.deadline = 1s}));
            test::poll(context);
            CHECK(s.waiting() == 1);
            manual_clock::advance(1s, context);
            test::poll(context);
            REQUIRE(r->done);
            CHECK(r->value->at(0).error() == errc::timed_out);
            CHECK(r->value->at(1).error() == errc::not_started);
            CHECK(r->value->at(2).error() == errc::not_started);
        }
        SUBCASE("sibling") {
            auto r = test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, size_of)));
            test::poll(context);
            d.end(0, asio::error::connection_reset);
            REQUIRE(r->done);
            CHECK(r->code() == asio::error::connection_reset);
            CHECK(d.started == ids{0});
        }
        SUBCASE("context") {
            test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, size_of)));
            test::poll(context);
            CHECK(s.waiting() == 1);
        }
    }
    CHECK(s.waiting() == 0);
    CHECK(s.in_use() == 1);
    held.release();
}

TEST_CASE("fewer permits than the weight, in the middle of it: it counts as all there are by then") {
    semaphore s(8);
    asio::io_context context(1);
    desk d(context);
    std::vector<file> const files{{0, 6}, {1, 6}, {2, 6}, {3, 1}, {4, 1}};
    auto r = test::launch(context, fanout::when_all(files, std::ref(d), weighted(s, size_of)));
    test::poll(context);
    CHECK(d.started == ids{0});
    s.resize(2);
    test::poll(context);
    CHECK(d.started == ids{0});
    d.end(0);
    CHECK(d.started == ids{0, 1});
    CHECK(s.in_use() == 2);
    d.end(1);
    CHECK(d.started == ids{0, 1, 2});
    s.resize(3);
    test::poll(context);
    CHECK(d.started == ids{0, 1, 2, 3}); // 2 holds the two that it was given
    d.end(2);
    d.end(3);
    d.end(4);
    REQUIRE(r->done);
    CHECK(s.in_use() == 0);
}

TEST_CASE("each attempt takes its weight, and a sleeping retry none") {
    semaphore s(5);
    asio::io_context context(1);
    std::map<int, int> calls;
    int total = 0, peak = 0;
    auto const child = [&](file f) -> asio::awaitable<int> {
        total += f.mebibytes;
        peak = (std::max)(peak, total);
        co_await test::turn();
        total -= f.mebibytes;
        if (++calls[f.id] < 3) {
            throw std::runtime_error("again");
        }
        co_return f.id;
    };
    std::vector<file> files;
    for (int i = 0; i < 40; ++i) {
        files.push_back({i, i % 7 + 1});
    }
    fanout::retry_policy const policy{.max_attempts = 3,
                                      .backoff = fanout::exponential{.base = 1s, .cap = 1s}};
    auto r =
        test::launch(context, fanout::retry_rejected(files, child, policy, weighted(s, size_of), times{}));
    test::poll(context);
    CHECK(s.in_use() == 0);
    CHECK(calls.size() == 40);
    for (int i = 0; i < 20 && !r->done; ++i) {
        manual_clock::advance(500ms, context);
        test::poll(context);
    }
    REQUIRE(r->done);
    CHECK(r->value->failed() == 0);
    CHECK(r->value->retries() == 80);
    CHECK(peak <= 7); // one of 6 or 7 alone
    CHECK(s.in_use() == 0);
}
