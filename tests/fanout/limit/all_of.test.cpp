// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using fanout::all_of;
using fanout::errc;
using fanout::error_code;
using fanout::semaphore;
using test::manual_clock;
using namespace std::chrono_literals;
using rate = fanout::basic_rate<manual_clock>;
using times = fanout::basic_options<manual_clock>;

namespace {

/// Counts what runs, over several fan-outs.
struct load {
    int running = 0;
    int peak = 0;
    int started = 0;

    asio::awaitable<int> operator()(int i) {
        ++started;
        peak = (std::max)(peak, ++running);
        co_await test::turn();
        co_await test::turn();
        --running;
        co_return i;
    }
};

/// A limit of a user's own: one more may start each second, by a coroutine that waits for that; now and then it
/// refuses. Has nothing but what the concept asks for.
class doorman {
public:
    class permit {
    public:
        permit() = default;
        permit(permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
        permit& operator=(permit&& other) noexcept {
            if (this != &other) {
                release({});
                owner_ = std::exchange(other.owner_, nullptr);
            }
            return *this;
        }
        ~permit() { release({}); }
        explicit operator bool() const { return owner_ != nullptr; }
        void release(fanout::feedback const& f) {
            if (auto* const o = std::exchange(owner_, nullptr)) {
                --o->inside;
                o->unused += f.ended == fanout::state::not_started ? 1 : 0;
            }
        }

    private:
        friend class doorman;
        explicit permit(doorman& o) : owner_(&o) { ++o.inside; }
        doorman* owner_ = nullptr;
    };
    using permit_type = permit;

    permit try_acquire() { return {}; }

    template <class Handler>
    void async_acquire(Handler handler) {
        CHECK(++under_way == 1); // a fan-out has at most one such call under way
        auto const ex = asio::get_associated_executor(handler);
        asio::co_spawn(ex, wait(), std::move(handler));
    }

    int inside = 0;
    int unused = 0;
    int asked = 0;
    int under_way = 0;
    int refuses_every = 0;
    std::string says = "not tonight";

private:
    struct leaves {
        explicit leaves(int& n) : n_(&n) {}
        leaves(leaves const&) = delete;
        leaves& operator=(leaves const&) = delete;
        ~leaves() { --*n_; }
        int* n_;
    };

    asio::awaitable<permit> wait() {
        leaves const out(under_way);
        auto const mine = ++asked;
        auto const ex = co_await asio::this_coro::executor;
        asio::basic_waitable_timer<manual_clock> timer(ex, manual_clock::now() + 1s);
        co_await timer.async_wait(asio::deferred);
        if (refuses_every > 0 && mine % refuses_every == 0) {
            throw std::runtime_error(says);
        }
        co_return permit(*this);
    }
};
static_assert(fanout::admission<doorman>);

/// A limit that says no by an error code, at once.
struct closed {
    using permit_type = semaphore::permit;
    permit_type try_acquire() { return {}; }
    template <class Handler>
    void async_acquire(Handler handler) {
        ++asked;
        auto const ex = asio::get_associated_executor(handler);
        asio::post(ex, [h = std::move(handler)]() mutable {
            std::move(h)(error_code(asio::error::network_down), permit_type());
        });
    }
    int asked = 0;
};
static_assert(fanout::admission<closed>);

void settle(asio::io_context& context) {
    for (int i = 0; i < 4; ++i) {
        test::poll(context);
    }
}

auto const inputs = [](int n) { return std::views::iota(0, n); };

} // namespace

TEST_CASE("no more run than the smallest of the limits lets, and all permits come back") {
    semaphore a(5), b(3), c(8);
    load l;
    fanout::stats seen;
    asio::io_context context(1);
    SUBCASE("the window is the smallest") {
        auto r = test::run(
            context, fanout::when_all(inputs(100), std::ref(l), all_of(a, fanout::limit(2), b, c), seen));
        CHECK(r->value->size() == 100);
        CHECK(l.peak == 2);
    }
    SUBCASE("a semaphore is") {
        auto r = test::run(
            context, fanout::when_all(inputs(100), std::ref(l), all_of(fanout::limit(7), c, b, a), seen));
        CHECK(r->value->size() == 100);
        CHECK(l.peak == 3);
    }
    SUBCASE("two windows, and one that is none") {
        auto r = test::run(
            context, fanout::when_all(inputs(100), std::ref(l),
                                      all_of(fanout::limit(7), fanout::unlimited, fanout::limit(4)), seen));
        CHECK(r->value->size() == 100);
        CHECK(l.peak == 4);
    }
    SUBCASE("children instead of a range") {
        auto r = test::run(context, fanout::when_all(l(1), l(2), l(3), l(4), all_of(a, b), seen));
        CHECK_FALSE(r->error);
        CHECK(l.peak == 3);
    }
    CHECK(a.in_use() + b.in_use() + c.in_use() == 0);
    CHECK(a.waiting() + b.waiting() + c.waiting() == 0);
}

TEST_CASE("the same limit twice is refused, plain, weighted or nested") {
    semaphore a(5), b(5);
    load l;
    auto const twice = doctest::Contains("given twice");
    CHECK_THROWS_WITH_AS((void)fanout::when_all(inputs(3), std::ref(l), all_of(a, b, a)), twice,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)fanout::when_all(inputs(3), std::ref(l), all_of(fanout::weighted(a, 2), a)),
                         twice, std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)fanout::when_all(inputs(3), std::ref(l), all_of(a, all_of(b, a))), twice,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)fanout::when_all(inputs(3), std::ref(l), all_of(all_of(a), all_of(b, a))),
                         twice, std::invalid_argument);
    CHECK(l.started == 0);
}

TEST_CASE("nested, it is as if all had been written side by side") {
    semaphore a(5), b(4), c(3);
    rate r(1e9, 1e6);
    load l;
    asio::io_context context(1);
    auto const parity = [](int i) { return i % 2; };
    auto x =
        test::launch(context, fanout::when_all(inputs(60), std::ref(l),
                                               all_of(all_of(c, fanout::limit(9)), all_of(b, all_of(r, a)))));
    auto y = test::launch(context, fanout::when_all(inputs(60), std::ref(l),
                                                    all_of(a, all_of(b, fanout::keyed(1, parity)), c)));
    auto z = test::launch(context, fanout::when_all(inputs(60), std::ref(l), all_of(all_of(all_of(b, c)))));
    settle(context);
    CHECK(x->done);
    CHECK(y->done);
    CHECK(z->done);
    CHECK(l.peak == 3);
    CHECK(a.in_use() + b.in_use() + c.in_use() == 0);
}

TEST_CASE("one all_of may serve several calls") {
    semaphore a(2), b(3);
    load l;
    auto const both = all_of(a, b, fanout::limit(10));
    asio::io_context context(1);
    auto x = test::launch(context, fanout::when_all(inputs(30), std::ref(l), both));
    auto y = test::launch(context, fanout::when_all_settled(inputs(30), std::ref(l), both));
    settle(context);
    CHECK(x->done);
    CHECK(y->done);
    CHECK(l.peak == 2);
}

TEST_CASE("opposite orders do not lock up") {
    semaphore a(1), b(1), c(1);
    load l;
    asio::io_context context(1);
    std::vector<std::shared_ptr<test::launched<std::vector<int>>>> all;
    all.push_back(test::launch(context, fanout::when_all(inputs(50), std::ref(l), all_of(a, b, c))));
    all.push_back(test::launch(context, fanout::when_all(inputs(50), std::ref(l), all_of(c, b, a))));
    all.push_back(test::launch(context, fanout::when_all(inputs(50), std::ref(l), all_of(b, c))));
    all.push_back(test::launch(context, fanout::when_all(inputs(50), std::ref(l), all_of(b, a))));
    auto const weight = [](int i) { return 1 + i % 3; };
    all.push_back(test::launch(
        context, fanout::when_all(inputs(50), std::ref(l), all_of(c, fanout::weighted(a, weight)))));
    settle(context);
    for (auto const& f : all) {
        CHECK(f->done);
    }
    CHECK(l.started == 250);
    CHECK(a.in_use() + b.in_use() + c.in_use() == 0);
    CHECK(a.waiting() + b.waiting() + c.waiting() == 0);
}

TEST_CASE("fan-outs with the same limits share them evenly, wherever each stands in line") {
    struct in_this_order { // in memory, and so in which they are asked for
        semaphore wide{2};
        semaphore narrow{1};
    } l;
    asio::io_context context(1);
    std::vector<int> order;
    auto const child = [&order](int who) {
        return [&order, who](int) -> asio::awaitable<void> {
            order.push_back(who);
            co_await test::turn();
            co_await test::turn();
        };
    };
    auto const one = child(1), two = child(2);
    auto a = test::launch(context, fanout::when_all(inputs(500), one, all_of(l.wide, l.narrow)));
    for (int i = 0; i < 20; ++i) { // it has begun, and waits for one limit with a permit of the other
        context.poll_one();
    }
    auto b = test::launch(context, fanout::when_all(inputs(500), two, all_of(l.narrow, l.wide)));
    settle(context);
    REQUIRE(a->done);
    REQUIRE(b->done);
    auto const second = std::ranges::find(order, 2) - order.begin();
    CHECK(second < 50);
    auto const together = order | std::views::drop(second) | std::views::take(800);
    for (int from = 0; from + 100 <= 800; ++from) {
        auto const n = std::ranges::count(together | std::views::drop(from) | std::views::take(100), 2);
        REQUIRE(n >= 40);
        REQUIRE(n <= 60);
    }
}

namespace {

/// Two limits, and who holds them.
struct pair_of_limits {
    semaphore first{1}, second{1}, third{1};
    load l;
    asio::io_context context{1};
    asio::cancellation_signal cancel;

    /// The three in the order in which they are asked for.
    std::array<semaphore*, 3> in_order() {
        std::array<semaphore*, 3> all{&first, &second, &third};
        std::ranges::sort(all, std::less<>());
        return all;
    }
    auto start() {
        return test::launch(context,
                            fanout::when_all_settled(inputs(5), std::ref(l), all_of(third, first, second)),
                            cancel.slot());
    }
    void check_all_is_back() {
        for (auto* const s : in_order()) {
            CHECK(s->in_use() == 0);
            CHECK(s->waiting() == 0);
        }
    }
};

} // namespace

TEST_CASE("cancelled in any phase of asking, it gives back what it has") {
    pair_of_limits x;
    auto const all = x.in_order();
    for (std::size_t phase = 0; phase < 3; ++phase) {
        CAPTURE(phase);
        for (auto const on_its_way : {false, true}) {
            CAPTURE(on_its_way);
            auto held = all[phase]->try_acquire();
            auto r = x.start();
            settle(x.context);
            for (std::size_t i = 0; i < 3; ++i) {
                CHECK(all[i]->waiting() == (i == phase ? 1 : 0));
                CHECK(all[i]->in_use() == (i <= phase ? 1 : 0)); // what it holds, and the one held here
            }
            if (on_its_way) {
                held.release();
            }
            x.cancel.emit(asio::cancellation_type::terminal);
            settle(x.context);
            REQUIRE(r->done);
            CHECK(r->value->at(0).error() == errc::not_started);
            held.release();
            x.check_all_is_back();
        }
    }
    CHECK(x.l.started == 0);
}

TEST_CASE("cancelled with a permit on its way, it asks for no further one") {
    pair_of_limits x;
    auto const all = x.in_order();
    for (std::size_t phase = 0; phase < 2; ++phase) {
        CAPTURE(phase);
        auto held = all[phase]->try_acquire(), next = all[phase + 1]->try_acquire();
        auto r = x.start();
        settle(x.context);
        held.release();
        x.cancel.emit(asio::cancellation_type::terminal);
        settle(x.context);
        CHECK(all[phase + 1]->waiting() == 0);
        CHECK(r->done);
        next.release();
        settle(x.context);
        x.check_all_is_back();
    }
    CHECK(x.l.started == 0);
}

TEST_CASE("a deadline in any phase of asking likewise") {
    pair_of_limits x;
    auto const all = x.in_order();
    for (std::size_t phase = 0; phase < 3; ++phase) {
        CAPTURE(phase);
        auto held = all[phase]->try_acquire();
        auto r = test::launch(x.context, fanout::when_all_settled(inputs(5), std::ref(x.l),
                                                                  all_of(x.second, x.third, x.first),
                                                                  times{.deadline = 1s}));
        settle(x.context);
        manual_clock::advance(1s, x.context);
        settle(x.context);
        REQUIRE(r->done);
        CHECK(r->value->at(4).error() == errc::not_started);
        held.release();
        x.check_all_is_back();
    }
    CHECK(x.l.started == 0);
}

TEST_CASE("it waits through all phases, and then runs") {
    pair_of_limits x;
    auto const all = x.in_order();
    std::vector<semaphore::permit> held;
    for (auto* const s : all) {
        held.push_back(s->try_acquire());
    }
    auto r = x.start();
    for (auto& p : held) {
        settle(x.context);
        CHECK(x.l.started == 0);
        p.release();
    }
    settle(x.context);
    REQUIRE(r->done);
    CHECK(x.l.started == 5);
    x.check_all_is_back();
}

TEST_CASE("a context that is destroyed in any phase of asking frees what was held") {
    semaphore a(1), b(1), c(1);
    std::array<semaphore*, 3> all{&a, &b, &c};
    std::ranges::sort(all, std::less<>());
    auto const alive = std::make_shared<int>();
    auto const child = [alive](int) -> asio::awaitable<void> { co_return; };
    for (std::size_t phase = 0; phase < 3; ++phase) {
        CAPTURE(phase);
        auto held = all[phase]->try_acquire();
        {
            asio::io_context context(1);
            auto r = test::launch(context, fanout::when_all(inputs(5), child, all_of(a, b, c)));
            settle(context);
            CHECK(all[phase]->waiting() == 1);
        }
        CHECK(alive.use_count() == 2);
        held.release();
        for (auto* const s : all) {
            CHECK(s->in_use() == 0);
            CHECK(s->waiting() == 0);
        }
    }
}

TEST_CASE("a rate is asked last, so that no token is spent on waiting") {
    for (auto const rate_first : {false, true}) { // in memory, too
        struct both {
            rate early{1, 10};
            semaphore s{1};
            rate late{1, 10};
        } x;
        auto& r = rate_first ? x.early : x.late;
        load l;
        asio::io_context context(1);
        asio::cancellation_signal cancel;
        auto const tokens = [&] {
            std::vector<rate::permit> all;
            while (auto p = r.try_acquire()) {
                all.push_back(std::move(p));
            }
            return all.size();
        };
        auto held = x.s.try_acquire();
        auto f =
            test::launch(context, fanout::when_all(inputs(4), std::ref(l), all_of(r, x.s)), cancel.slot());
        settle(context);
        CHECK(tokens() == 10);
        held.release();
        settle(context);
        CHECK(l.started == 4);
        CHECK(tokens() == 6);
        cancel.emit(asio::cancellation_type::terminal);
        settle(context);
        CHECK(f->done);
    }
}

TEST_CASE("who waits for a token holds its place in the other limits, and no more than one") {
    semaphore s(3);
    rate r(1);
    load l;
    asio::io_context context(1);
    auto f = test::launch(context, fanout::when_all(inputs(5), std::ref(l), all_of(r, s)));
    settle(context);
    CHECK(l.started == 1);
    CHECK(s.in_use() == 1);
    for (int i = 2; i <= 5; ++i) {
        manual_clock::advance(1s, context);
        settle(context);
        CHECK(l.started == i);
        CHECK(s.in_use() <= 1);
    }
    manual_clock::advance(1s, context);
    settle(context);
    CHECK(f->done);
    CHECK(s.in_use() == 0);
}

// ---- limits of a user's own

TEST_CASE("a limit of one's own, made of a coroutine: alone and together with others") {
    doorman d;
    semaphore s(2);
    load l;
    asio::io_context context(1);
    SUBCASE("alone") {
        auto f = test::launch(context, fanout::when_all(inputs(5), std::ref(l), d));
        for (int i = 0; i < 5; ++i) {
            settle(context);
            CHECK(l.started == i);
            manual_clock::advance(1s, context);
        }
        settle(context);
        CHECK(l.started == 5);
        manual_clock::advance(1s, context);
        settle(context);
        REQUIRE(f->done);
    }
    SUBCASE("together") {
        auto held = s.try_acquire(2);
        auto f =
            test::launch(context, fanout::when_all(inputs(5), std::ref(l), all_of(d, s, fanout::limit(3))));
        for (int i = 0; i < 10; ++i) {
            settle(context);
            CHECK(l.started == 0);
            manual_clock::advance(1s, context);
        }
        held.release();
        for (int i = 0; i < 12; ++i) {
            settle(context);
            manual_clock::advance(1s, context);
        }
        settle(context);
        REQUIRE(f->done);
        CHECK(l.started == 5);
    }
    CHECK(d.inside == 0);
    CHECK(d.under_way == 0);
    CHECK(s.in_use() == 0);
}

TEST_CASE("where a limit of one's own refuses, the next input is rejected with what it said, and no other") {
    doorman d;
    d.refuses_every = 3;
    semaphore s(2);
    load l;
    asio::io_context context(1);
    auto const check = [&](auto const& f) {
        for (int i = 0; i < 12; ++i) {
            settle(context);
            manual_clock::advance(1s, context);
        }
        settle(context);
        REQUIRE(f->done);
        for (std::size_t i = 0; i < 8; ++i) {
            CAPTURE(i);
            CHECK(f->value->at(i).has_value() == (i % 3 != 2));
        }
        CHECK_THROWS_WITH_AS((void)f->value->at(2).value(), "not tonight", std::runtime_error);
        CHECK(l.started == 6);
        CHECK(d.inside == 0);
        CHECK(s.in_use() == 0);
        CHECK(s.waiting() == 0);
    };
    SUBCASE("alone") { check(test::launch(context, fanout::when_all_settled(inputs(8), std::ref(l), d))); }
    SUBCASE("together") {
        check(test::launch(context, fanout::when_all_settled(inputs(8), std::ref(l), all_of(d, s))));
    }
    SUBCASE("with a weight by input") {
        auto const weight = [](int i) { return 1 + i % 2; };
        check(test::launch(context, fanout::when_all_settled(inputs(8), std::ref(l),
                                                             all_of(d, fanout::weighted(s, weight)))));
    }
    SUBCASE("with keys") {
        auto const key = [](int i) { return i; };
        check(test::launch(
            context, fanout::when_all_settled(inputs(8), std::ref(l), all_of(fanout::keyed(1, key), d, s))));
    }
}

TEST_CASE("a refusal may be retried, and ends a fail-fast fan-out") {
    doorman d;
    d.refuses_every = 2;
    semaphore s(2);
    load l;
    asio::io_context context(1);
    SUBCASE("retried") {
        fanout::retry_policy const at_once{.max_attempts = 3, .backoff = fanout::exponential{.base = 0ns}};
        auto f = test::launch(context,
                              fanout::retry_rejected(inputs(4), std::ref(l), at_once, all_of(s, d), times{}));
        for (int i = 0; i < 20; ++i) {
            settle(context);
            manual_clock::advance(1s, context);
        }
        settle(context);
        REQUIRE(f->done);
        CHECK(f->value->failed() == 0);
        CHECK(l.started == 4);
    }
    SUBCASE("fail-fast") {
        auto f = test::launch(context, fanout::when_all(inputs(4), std::ref(l), all_of(s, d)));
        for (int i = 0; i < 3; ++i) {
            settle(context);
            manual_clock::advance(1s, context);
        }
        settle(context);
        REQUIRE(f->done);
        CHECK(f->message() == "not tonight");
        CHECK(l.started == 1);
    }
    CHECK(d.inside == 0);
    CHECK(d.under_way == 0);
    CHECK(s.in_use() == 0);
}

TEST_CASE("refused by the second, the permit of the first goes back: to who waits for it") {
    struct in_this_order {
        semaphore s{1};
        closed no;
    } x;
    load l;
    asio::io_context context(1);
    auto f = test::launch(context, fanout::when_all_settled(inputs(6), std::ref(l), all_of(x.no, x.s)));
    auto g = test::launch(context, fanout::when_all(inputs(6), std::ref(l), x.s));
    settle(context);
    REQUIRE(f->done);
    REQUIRE(g->done);
    CHECK(x.no.asked >= 6);
    for (auto const& o : *f->value) {
        CHECK(o.error() == asio::error::network_down);
    }
    CHECK(l.started == 6);
    CHECK(x.s.in_use() == 0);
}

TEST_CASE("cancelled while a limit of one's own decides") {
    doorman d;
    semaphore s(1);
    load l;
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    auto f =
        test::launch(context, fanout::when_all_settled(inputs(3), std::ref(l), all_of(d, s)), cancel.slot());
    settle(context);
    CHECK(d.under_way == 1);
    cancel.emit(asio::cancellation_type::terminal);
    settle(context);
    REQUIRE(f->done);
    CHECK(f->value->at(0).error() == errc::not_started);
    CHECK(d.under_way == 0);
    CHECK(d.inside == 0);
    CHECK(s.in_use() == 0);
}

namespace {

/// Limits of a user's own that are careless with the handler.
struct careless {
    using permit_type = semaphore::permit;
    enum class way { leaves_it_in_its_slot, keeps_a_copy, throws_once };

    explicit careless(way w) : how(w) {}

    permit_type try_acquire() { return thrown ? permits.try_acquire() : permit_type(); }

    template <class Handler>
    void async_acquire(Handler handler) {
        auto const ex = asio::get_associated_executor(handler);
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto const shared = std::make_shared<Handler>(std::move(handler));
        if (how == way::leaves_it_in_its_slot) {
            slot.assign([shared](asio::cancellation_type) {});
            throw std::runtime_error("no room in the queue");
        }
        if (how == way::throws_once && !std::exchange(thrown, true)) {
            throw std::runtime_error("not now");
        }
        if constexpr (std::is_copy_constructible_v<Handler>) {
            if (how == way::keeps_a_copy) {
                kept.push_back(std::make_shared<Handler>(*shared));
            }
        }
        asio::post(ex, [this, shared] { std::move (*shared)(error_code(), permits.try_acquire()); });
    }

    way how;
    semaphore permits{9};
    bool thrown = false;
    std::vector<std::shared_ptr<void>> kept;
};

/// In memory, and so in which they are asked for.
struct careless_in_between {
    explicit careless_in_between(careless::way how) : limit(how) {}
    semaphore before{9};
    careless limit;
    semaphore after{9};
};

asio::awaitable<int> echo(int i) { co_return i; }

} // namespace

TEST_CASE("a limit that leaves the handler in its slot and throws does not keep the fan-out alive") {
    struct holder {
        std::shared_ptr<int> held;
        asio::awaitable<int> operator()(int i) const { return echo(i); }
    };
    careless_in_between x(careless::way::leaves_it_in_its_slot);
    holder child{std::make_shared<int>()};
    std::weak_ptr<int> const alive = child.held;
    asio::io_context context(1);
    SUBCASE("alone") {
        auto const r = test::run(context, fanout::when_all_settled(inputs(3), std::move(child), x.limit));
        CHECK(r->value->size() == 3);
    }
    SUBCASE("asked first") {
        auto const r = test::run(
            context, fanout::when_all_settled(inputs(3), std::move(child), all_of(x.limit, x.after)));
        CHECK(r->value->size() == 3);
    }
    SUBCASE("asked last") {
        auto const r = test::run(
            context, fanout::when_all_settled(inputs(3), std::move(child), all_of(x.before, x.limit)));
        CHECK(r->value->size() == 3);
    }
    CHECK(alive.expired());
    CHECK(x.before.in_use() + x.limit.permits.in_use() + x.after.in_use() == 0);
}

TEST_CASE("a limit may keep a copy of what it was given for longer than the context") {
    careless_in_between x(careless::way::keeps_a_copy);
    {
        asio::io_context context(1);
        auto const r = test::launch(asio::make_strand(context),
                                    fanout::when_all(inputs(3), echo, all_of(x.limit, x.after)));
        test::poll(context);
        CHECK(r->done);
    }
    CHECK_FALSE(x.limit.kept.empty());
}

TEST_CASE("children do not start while what a limit has thrown is handled") {
    careless_in_between x(careless::way::throws_once);
    auto const child = [](int i) {
        CHECK_FALSE(std::current_exception());
        return echo(i);
    };
    asio::io_context context(1);
    auto const r = test::run(context, fanout::when_all_settled(inputs(3), child, all_of(x.before, x.limit)));
    CHECK_FALSE(r->value->at(0));
    CHECK(r->value->at(2));
}
