// SPDX-License-Identifier: BSL-1.0

// What a review found in the limits, each as the promise that it broke.

#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using fanout::all_of;
using fanout::error_code;
using fanout::semaphore;
using test::manual_clock;
using namespace std::chrono_literals;
using rate = fanout::basic_rate<manual_clock>;
using times = fanout::basic_options<manual_clock>;

namespace {

/// Counts what fan-outs have allocated. Can be told to give out the same addresses again, in the same order, once all of
/// it is back.
template <class T>
struct counting {
    using value_type = T;

    counting() = default;
    template <class U>
    counting(counting<U> const&) {}

    T* allocate(std::size_t n);
    void deallocate(T* p, std::size_t n);

    template <class U>
    bool operator==(counting<U> const&) const {
        return true;
    }
};

struct memory {
    static inline int live = 0;
    static inline bool same_addresses = false;
    alignas(std::max_align_t) static inline std::array<std::byte, 65536> arena{};
    static inline std::size_t used = 0;
};

template <class T>
T* counting<T>::allocate(std::size_t n) {
    ++memory::live;
    if (!memory::same_addresses) {
        return std::allocator<T>().allocate(n);
    }
    constexpr auto unit = alignof(std::max_align_t);
    static_assert(alignof(T) <= unit);
    auto const at = memory::used;
    memory::used += (n * sizeof(T) + unit - 1) / unit * unit;
    REQUIRE(memory::used <= memory::arena.size());
    return reinterpret_cast<T*>(&memory::arena[at]);
}
template <class T>
void counting<T>::deallocate(T* p, std::size_t n) {
    --memory::live;
    if (!memory::same_addresses) {
        std::allocator<T>().deallocate(p, n);
    } else if (memory::live == 0) {
        memory::used = 0;
    }
}

/// How a fan-out ended.
template <class R>
struct ending {
    bool done = false;
    std::exception_ptr error;
    std::optional<R> value;
    int memory_left = -1; ///< of fan-outs, at the completion handler

    std::string message() const {
        try {
            if (error) {
                std::rethrow_exception(error);
            }
        } catch (std::exception const& e) {
            return e.what();
        }
        return "";
    }
};

/// Starts a fan-out with a plain completion handler, so that a test can look, and act, at the very moment of its end.
template <class Op>
auto start(asio::io_context& context, Op op, std::function<void()> then = {},
           asio::cancellation_slot slot = {}) {
    using result = typename test::value_of_signature<test::result_of<Op>>::type;
    auto to = std::make_shared<ending<result>>();
    auto handler = [to, then = std::move(then)](std::exception_ptr error, result value) {
        to->done = true;
        to->error = std::move(error);
        to->value.emplace(std::move(value));
        to->memory_left = memory::live;
        if (then) {
            then();
        }
    };
    std::move(op)(asio::bind_allocator(
        counting<int>(),
        asio::bind_cancellation_slot(
            slot, asio::bind_executor(asio::any_io_executor(context.get_executor()), std::move(handler)))));
    return to;
}

using job = std::function<asio::awaitable<int>(int)>;
using key_function = std::function<int(int)>;

asio::awaitable<int> one_turn(int i) {
    co_await test::turn();
    co_return i;
}

std::vector<int> inputs(int n) {
    auto const r = std::views::iota(0, n);
    return {r.begin(), r.end()};
}

/// Children that end within their initiation, but for the first, which the gate ends.
auto first_at(test::gate& g, int& calls, std::function<void(int)> at = {}) {
    return [&g, &calls, at = std::move(at)](int) {
        auto const n = ++calls;
        if (at) {
            at(n);
        }
        return test::make_operation<void(error_code)>([&g, n](auto handler) {
            if (n == 1) {
                g.wait(std::move(handler));
            } else {
                std::move(handler)(error_code());
            }
        });
    };
}

/// A limit of a user's own whose permits are plain structs: after a move both are there, and none ends itself.
struct plain_limit {
    struct permit_type {
        plain_limit* owner = nullptr;
        int number = 0;

        explicit operator bool() const { return owner != nullptr; }
        void release(fanout::feedback const&) {
            if (owner == nullptr) {
                ++empty_releases;
            } else if (owner->out.erase(number) == 0) {
                ++owner->double_releases;
            }
        }
        bool renew(fanout::feedback const& f, std::size_t) {
            ++owner->renewals;
            if (!owner->keeps) {
                release(f);
            }
            return owner->keeps;
        }

        static inline int empty_releases = 0;
    };

    enum class answer : std::uint8_t { permit, error, exception };

    permit_type try_acquire() { return out.size() < most ? grant() : permit_type(); }

    template <class Handler>
    void async_acquire(Handler&& handler) {
        if (says == answer::exception) {
            throw std::runtime_error("the limit throws");
        }
        auto const ex = asio::get_associated_executor(handler);
        asio::post(ex, [this, h = std::forward<Handler>(handler)]() mutable {
            if (says == answer::error) {
                std::move(h)(error_code(asio::error::no_recovery), permit_type());
            } else {
                std::move(h)(error_code(), grant());
            }
        });
    }

    permit_type grant() {
        out.insert(++granted);
        return {this, granted};
    }

    std::size_t most = 0;
    answer says = answer::permit;
    bool keeps = true;
    std::set<int> out{}; ///< the numbers of the permits that are out
    int granted = 0;
    int renewals = 0;
    int double_releases = 0;
};

} // namespace

// 1

TEST_CASE("no permit outlives its fan-out: one that came while a lane yielded is back at completion") {
    asio::io_context context(1);
    semaphore s(2);
    auto held = s.try_acquire();
    test::gate gate(context.get_executor());
    int calls = 0;
    // One lane waits at the gate; another comes when `held` is given back, while the lane yields after 256 children.
    auto const child = first_at(gate, calls, [&held](int n) {
        if (n == 200) {
            held.release();
        }
    });
    // Of unknown length, so that the fan-out stays in line.
    auto source = std::views::iota(0) | std::views::take_while([](int i) { return i < 257; });
    std::size_t in_use = 99;
    auto const r = start(context, fanout::when_all_settled(source, child, s), [&] { in_use = s.in_use(); });
    test::poll(context);
    CHECK(s.waiting() == 1);
    gate.open();
    test::poll(context);
    REQUIRE(r->done);
    CHECK(calls == 257);
    CHECK(in_use == 0);
    CHECK(r->memory_left == 0);
    CHECK(s.in_use() == 0);
}

TEST_CASE("no memory of a fan-out outlives its completion, also where it was to open a lane later") {
    asio::io_context context(1);
    test::gate gate(context.get_executor());
    int calls = 0;
    auto const child = first_at(gate, calls);
    std::vector<int> const in{1, 1, 1, 2, 3};
    key_function const key = [](int i) { return i; };
    auto const r = start(
        context, fanout::when_all_settled(in, child, all_of(fanout::limit(2), fanout::keyed(1, key, 1))));
    test::poll(context);
    CHECK(calls == 1);
    gate.open();
    test::poll(context);
    REQUIRE(r->done);
    CHECK(calls == 5);
    CHECK(r->memory_left == 0);
}

// 2

TEST_CASE("a rate's waiter that is cancelled while the turn is on its way to it ends at once") {
    asio::io_context context(1);
    rate r(1.0 / 3600);
    semaphore s(9);
    auto const in = inputs(3);
    job const child = one_turn;
    error_code first_error, second_error;
    auto const take_token = [&r] {
        auto t = r.try_acquire();
        REQUIRE(t);
        t.release({fanout::feedback::success, {}, fanout::state::fulfilled});
    };
    take_token();
    asio::cancellation_signal first, second;
    bool ended = false;
    std::function<void()> const cancel_second = [&] { second.emit(asio::cancellation_type::terminal); };
    std::function<void()> const second_ended = [&] { ended = true; };

    SUBCASE("by hand") {
        auto const wait = [&](asio::cancellation_signal& c, error_code& error, std::function<void()> then) {
            auto handler = [&error, then = std::move(then)](error_code e, rate::permit) {
                error = e;
                then();
            };
            r.async_acquire(asio::bind_cancellation_slot(
                c.slot(), asio::bind_executor(context.get_executor(), std::move(handler))));
        };
        wait(first, first_error, cancel_second);
        wait(second, second_error, second_ended);
        test::poll(context);
        REQUIRE(r.waiting() == 2);
        first.emit(asio::cancellation_type::terminal);
        test::poll(context);
        CHECK(first_error == asio::error::operation_aborted);
        CHECK(second_error == asio::error::operation_aborted);
    }
    SUBCASE("two fan-outs") {
        auto const a = start(context, fanout::when_all_settled(in, child, r), cancel_second, first.slot());
        auto const b = start(context, fanout::when_all_settled(in, child, r), second_ended, second.slot());
        test::poll(context);
        REQUIRE(r.waiting() == 2);
        first.emit(asio::cancellation_type::terminal);
        test::poll(context);
        CHECK(a->done);
        CHECK(b->done);
    }
    SUBCASE("two fan-outs, in all_of") {
        auto const a =
            start(context, fanout::when_all_settled(in, child, all_of(s, r)), cancel_second, first.slot());
        auto const b =
            start(context, fanout::when_all_settled(in, child, all_of(s, r)), second_ended, second.slot());
        test::poll(context);
        REQUIRE(r.waiting() == 2);
        first.emit(asio::cancellation_type::terminal);
        test::poll(context);
        CHECK(a->done);
        CHECK(b->done);
        CHECK(s.in_use() == 0);
    }
    CHECK(ended);
    CHECK(r.waiting() == 0);
    second.emit(asio::cancellation_type::terminal); // where the first was lost
    manual_clock::advance(2h, context);
    take_token(); // the one of these two hours is there
    CHECK(memory::live == 0);
}

// 3

TEST_CASE("a key function is called once per input, also where inputs are retried") {
    asio::io_context context(1);
    auto const in = inputs(4);
    int keys = 0, runs = 0;
    key_function const key = [&keys](int i) {
        ++keys;
        return i % 2;
    };
    job const child = [&runs](int) -> asio::awaitable<int> {
        ++runs;
        throw std::runtime_error("child");
        co_return 0;
    };
    auto const r =
        start(context, fanout::retry_rejected(in, child, fanout::retry_policy{.max_attempts = 3}, times{},
                                              all_of(fanout::limit(9), fanout::keyed(1, key))));
    for (int i = 0; i < 20; ++i) {
        manual_clock::advance(1h, context);
    }
    REQUIRE(r->done);
    CHECK(r->message() == "");
    CHECK(runs == 12);
    CHECK(keys == 4);
}

TEST_CASE("a key function that throws after inputs were retried ends the call with its exception") {
    asio::io_context context(1);
    test::gate gate(context.get_executor());
    auto const in = inputs(3);
    int keys = 0, runs = 0;
    key_function const key = [&keys](int i) { return ++keys == 3 ? throw std::runtime_error("key") : i; };
    job const child = [&](int i) -> asio::awaitable<int> {
        ++runs;
        if (i == 0) {
            throw std::runtime_error("child");
        }
        co_await gate.wait(asio::deferred);
        co_return i;
    };
    auto const r =
        start(context, fanout::retry_rejected(in, child, fanout::retry_policy{.max_attempts = 2}, times{},
                                              all_of(fanout::limit(1), fanout::keyed(1, key))));
    test::poll(context);
    CHECK(runs == 2);
    manual_clock::advance(1h, context); // the first input's sleep is over, but the one lane is taken
    CHECK(runs == 2);
    gate.open();
    for (int i = 0; i < 5; ++i) {
        manual_clock::advance(1h, context);
    }
    REQUIRE(r->done);
    CHECK(r->message() == "key");
    CHECK(runs == 3);
    CHECK(r->memory_left == 0);
}

// 4

TEST_CASE("a user's limit that throws when it is asked rejects the inputs with that, and a limit before it "
          "is whole") {
    asio::io_context context(1);
    struct in_this_order { // in memory, and so in which they are asked for
        semaphore first{1};
        plain_limit second;
    } l;
    l.second.says = plain_limit::answer::exception;
    auto const in = inputs(2);
    int runs = 0;
    job const child = [&runs](int i) {
        ++runs;
        return one_turn(i);
    };
    auto const check = [&](auto const& r) {
        REQUIRE(r->done);
        REQUIRE(r->value->size() == 2);
        for (auto const& o : *r->value) {
            CHECK_THROWS_WITH((void)o.value(), "the limit throws");
        }
        CHECK(r->memory_left == 0);
    };
    SUBCASE("alone") {
        auto const r = start(context, fanout::when_all_settled(in, child, l.second));
        test::poll(context);
        check(r);
        CHECK(runs == 0);
        return;
    }
    auto held = semaphore::permit();
    SUBCASE("asked within the call") {}
    SUBCASE("asked by a handler, when the limit before it was granted") { held = l.first.try_acquire(); }
    std::size_t in_use = 99;
    auto const r = start(context, fanout::when_all_settled(in, child, all_of(l.first, l.second)),
                         [&] { in_use = l.first.in_use(); });
    test::poll(context);
    held.release();
    test::poll(context); // where the exception escaped
    test::poll(context);
    check(r);
    CHECK(runs == 0);
    CHECK(in_use == 0);
    CHECK(l.first.in_use() == 0);
    CHECK(l.first.waiting() == 0);
}

// 5

TEST_CASE("all_of ends plain permits exactly once each, and never an empty one") {
    plain_limit::permit_type::empty_releases = 0;
    asio::io_context context(1);
    struct in_this_order {
        plain_limit first{.most = 3};
        plain_limit second{.most = 2};
    } l;
    auto const in = inputs(10);
    job const child = one_turn;
    auto const run = [&] {
        auto const r = start(context, fanout::when_all_settled(in, child, all_of(l.first, l.second)));
        test::poll(context);
        REQUIRE(r->done);
        CHECK(l.first.out.empty());
        CHECK(l.second.out.empty());
        CHECK(l.first.double_releases == 0);
        CHECK(l.second.double_releases == 0);
        CHECK(plain_limit::permit_type::empty_releases == 0);
        return r;
    };
    SUBCASE("whatever renew says") {
        for (bool const first : {true, false}) {
            for (bool const second : {true, false}) {
                CAPTURE(first);
                CAPTURE(second);
                l.first.keeps = first;
                l.second.keeps = second;
                run();
            }
        }
        CHECK(l.first.renewals > 0);
        CHECK(l.second.renewals > 0);
    }
    SUBCASE("where one of them has none to give at once") {
        l.second.most = 0;
        run();
    }
    SUBCASE("where one of them refuses") {
        l.second.most = 0;
        l.second.says = plain_limit::answer::error;
        auto const r = run();
        CHECK(r->value->at(0).error() == asio::error::no_recovery);
    }
}

// 6

TEST_CASE("all_of's lanes keep no permit while a stranger waits in either limit's line") {
    asio::io_context context(1);
    struct in_this_order {
        semaphore first;
        semaphore second;
    };
    auto const served_within = [&context](std::size_t first, std::size_t second, auto line) {
        in_this_order l{semaphore(first), semaphore(second)};
        auto const in = inputs(300);
        int ended = 0, served_at = -1;
        job const child = [&](int i) -> asio::awaitable<int> {
            co_await test::turn();
            if (++ended == 50) {
                std::invoke(line, l).async_acquire(asio::bind_executor(
                    context.get_executor(), [&](error_code, semaphore::permit) { served_at = ended; }));
            }
            co_return i;
        };
        auto const r = start(context, fanout::when_all_settled(in, child, all_of(l.first, l.second)));
        test::poll(context);
        REQUIRE(r->done);
        CHECK(ended == 300);
        CHECK(l.first.in_use() == 0);
        CHECK(l.second.in_use() == 0);
        return served_at - 50;
    };
    for (auto const& line : {&in_this_order::first, &in_this_order::second}) {
        auto const own_waits_for_second = served_within(3, 2, line);
        CHECK(own_waits_for_second >= 0);
        CHECK(own_waits_for_second <= 4);
        auto const own_waits_for_first = served_within(2, 2, line);
        CHECK(own_waits_for_first >= 0);
        CHECK(own_waits_for_first <= 4);
    }
}

// 7

TEST_CASE("a pool destroys a resource that something was in the middle of using") {
    struct resource {
        explicit resource(int& count) : destroyed(&count) {}
        resource(resource&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
        resource& operator=(resource&&) = delete;
        ~resource() {
            if (destroyed != nullptr) {
                ++*destroyed;
            }
        }
        int* destroyed;
    };
    int destroyed = 0, healthy = 0;
    fanout::pool<resource> pool(
        1, [&destroyed]() -> asio::awaitable<resource> { co_return resource(destroyed); },
        [&healthy](resource&) {
            ++healthy;
            return true;
        });

    SUBCASE("a child, when its context ended") {
        asio::io_context context(1);
        std::vector<int> const in{1};
        test::gate gate(context.get_executor());
        std::function<asio::awaitable<int>(int, resource&)> const child =
            [&gate](int i, resource&) -> asio::awaitable<int> {
            co_await gate.wait(asio::deferred);
            co_return i;
        };
        auto const r = start(context, fanout::when_all_settled(in, child, pool));
        test::poll(context);
        CHECK(gate.waiting());
        CHECK(pool.in_use() == 1);
        CHECK(destroyed == 0);
        CHECK_FALSE(r->done);
    }
    SUBCASE("a permit by hand, dropped after make()") {
        asio::io_context context(1);
        bool made = false;
        auto const by_hand = [&]() -> asio::awaitable<void> {
            auto p = pool.try_acquire();
            co_await p.make();
            made = p.resource() != nullptr && destroyed == 0;
        };
        asio::co_spawn(context, by_hand(), asio::detached);
        test::poll(context);
        CHECK(made);
    }
    SUBCASE("a permit by hand, assigned to") {
        asio::io_context context(1);
        bool made = false;
        auto const by_hand = [&]() -> asio::awaitable<void> {
            auto p = pool.try_acquire();
            co_await p.make();
            made = p.resource() != nullptr && destroyed == 0;
            p = {};
        };
        asio::co_spawn(context, by_hand(), asio::detached);
        test::poll(context);
        CHECK(made);
    }
    CHECK(destroyed == 1);
    CHECK(healthy == 0);
    CHECK(pool.idle() == 0);
    CHECK(pool.in_use() == 0);
    CHECK(memory::live == 0);
}

// 8

#ifndef NDEBUG
TEST_CASE("a fan-out that goes with its context leaves no note for another child to be mistaken by") {
    memory::same_addresses = true; // the second fan-out is known by the same addresses as the first
    {
        semaphore a(1), b(1), never(1);
        auto const held = never.try_acquire();
        std::vector<int> const in{1};
        semaphore* inner = &never;
        using ask = decltype(a.async_acquire(asio::deferred));
        std::function<ask(int)> const child = [&inner](int) { return inner->async_acquire(asio::deferred); };
        {
            asio::io_context context(1);
            auto const r = start(context, fanout::when_all_settled(in, child, a));
            test::poll(context);
            CHECK(a.in_use() == 1);
            CHECK(never.waiting() == 1);
        }
        CHECK(memory::live == 0);
        CHECK(a.in_use() == 0);
        inner = &a;
        asio::io_context context(1);
        auto const r = start(context, fanout::when_all_settled(in, child, b));
        test::poll(context);
        REQUIRE(r->done);
        CHECK(r->value->at(0).has_value());
    }
    CHECK(memory::live == 0);
    memory::same_addresses = false;
}
#endif

// 9

TEST_CASE("the most permits and the largest weight: nothing is lost") {
    constexpr auto most = (std::size_t{1} << 61) - 1;
    constexpr auto all = (std::numeric_limits<std::size_t>::max)();
    semaphore s(most);
    {
        auto const p = s.try_acquire(all);
        CHECK(p);
        CHECK(s.in_use() == most);
        CHECK_FALSE(s.try_acquire());
    }
    CHECK(s.in_use() == 0);
    {
        asio::io_context context(1);
        auto one = s.try_acquire();
        semaphore::permit got;
        s.async_acquire(all,
                        asio::bind_executor(context.get_executor(),
                                            [&got](error_code, semaphore::permit p) { got = std::move(p); }));
        test::poll(context);
        CHECK_FALSE(got);
        one.release();
        test::poll(context);
        CHECK(got);
        CHECK(s.in_use() == most);
    }
    CHECK(s.in_use() == 0);
    CHECK(s.try_acquire());
}

TEST_CASE("more permits than can be counted are refused") {
    constexpr auto too_many = std::size_t{1} << 61;
    constexpr auto all = (std::numeric_limits<std::size_t>::max)();
    CHECK_THROWS_AS(semaphore{all}, std::invalid_argument);
    CHECK_THROWS_AS(semaphore{too_many}, std::invalid_argument);
    semaphore s(1);
    CHECK_THROWS_AS(s.resize(all), std::invalid_argument);
    CHECK_THROWS_AS(s.resize(too_many), std::invalid_argument);
    CHECK(s.permits() == 1);
}

// 10

TEST_CASE(
    "a weight that was cut to fewer permits takes its full weight again after the semaphore has grown") {
    asio::io_context context(1);
    semaphore s(4);
    auto const in = inputs(6);
    auto held = semaphore::permit();
    SUBCASE("from a permit that was there at once") {}
    SUBCASE("from a permit that it waited for") { held = s.try_acquire(); }
    std::vector<std::size_t> in_use;
    job const child = [&](int i) -> asio::awaitable<int> {
        in_use.push_back(s.in_use());
        if (i == 1) {
            s.resize(20);
        }
        co_await test::turn();
        co_return i;
    };
    auto const r = start(
        context, fanout::when_all_settled(in, child, all_of(fanout::limit(1), fanout::weighted(s, 10))));
    test::poll(context);
    held.release();
    test::poll(context);
    REQUIRE(r->done);
    CHECK(in_use == std::vector<std::size_t>{4, 4, 10, 10, 10, 10});
    CHECK(s.in_use() == 0);
}

TEST_CASE("a permit that was cut is renewable no more once there are enough permits, one that was not is") {
    semaphore s(4);
    auto p = s.try_acquire(10);
    REQUIRE(p);
    s.resize(20);
    CHECK_FALSE(p.renewable(0));
    auto moved = std::move(p);
    CHECK_FALSE(moved.renewable(0));
    p = std::move(moved);
    CHECK_FALSE(p.renewable(0));
    p.release();
    p = s.try_acquire(10);
    CHECK(p.renewable(0));
}
