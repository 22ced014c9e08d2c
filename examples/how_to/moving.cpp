// SPDX-License-Identifier: BSL-1.0
// The code that docs/how-to/move-from shows, compiled and run: the parts between `// [name]` and `// [/name]`.
// The server here is a pretended one, slow as a network.

#include <fanout.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct profile {
    int id = 0;
    std::string name;
};

// Answers after a millisecond; it has no user 13, and may be too busy for some calls.
class profile_server {
public:
    asio::awaitable<profile> fetch(int id) {
        ++asked_;
        co_await network();
        if (id == 13) {
            throw std::runtime_error("no user 13");
        }
        if (busy_for_ > 0) {
            --busy_for_;
            throw std::runtime_error("busy");
        }
        co_return profile{id, "user " + std::to_string(id)};
    }

    asio::awaitable<std::size_t> count() {
        co_await network();
        co_return 1000;
    }

    void be_busy(int calls) { busy_for_ = calls; }
    int asked() const { return asked_; }

private:
    static asio::awaitable<void> network() {
        asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
        co_await timer.async_wait(asio::use_awaitable);
    }

    int asked_ = 0;
    int busy_for_ = 0;
};

void check(bool holds, char const* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

asio::awaitable<void> from_javascript(profile_server& server, std::vector<int> const& ids,
                                      std::vector<int> const& wanted) {
    // [promise-all]
    auto const fetch = [&](int id) { return server.fetch(id); };

    // Promise.all(ids.map(fetch))
    auto profiles = co_await fanout::when_all(ids, fetch);
    // pMap(ids, fetch, {concurrency: 16})
    auto at_most_16 = co_await fanout::when_all(ids, fetch, fanout::limit(16));
    // Promise.all([fetch(1), count()])
    auto both = co_await fanout::when_all(server.fetch(1), server.count());
    // Promise.allSettled(ids.map(fetch))
    auto outcomes = co_await fanout::when_all_settled(wanted, fetch);
    // [/promise-all]
    auto& [one, number] = both;
    check(one.id == 1 && number == 1000, "a tuple");
    check(profiles.size() == ids.size() && at_most_16.size() == ids.size(), "a value each");

    // [settled]
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (outcomes[i].has_value()) {
            std::cout << outcomes[i].value().name << '\n';
        } else {
            std::cout << wanted[i] << ": " << fanout::to_string(fanout::state_of(outcomes[i])) << '\n';
        }
    }
    // [/settled]
    check(!outcomes[1].has_value(), "there is no 13");

    server.be_busy(5);
    // [p-retry]
    auto results = co_await fanout::retry_rejected(ids, fetch, fanout::retry_policy{.max_attempts = 4},
                                                   fanout::limit(16),
                                                   fanout::options{.attempt_timeout = 2s, .deadline = 1min});
    for (auto const& failure : results.failures()) {
        std::cerr << "user " << ids[failure.index] << ": " << failure.error.message() << '\n';
    }
    // [/p-retry]
    check(results.failures().empty() && results.retries() == 5, "all are there in the end");
}

asio::awaitable<void> from_python(profile_server& server, std::vector<int> const& ids) {
    std::map<int, std::string> names;
    // [as-completed]
    auto const fetch_and_keep = [&](int id) -> asio::awaitable<void> {
        auto const found = co_await server.fetch(id);
        names[id] = found.name; // as each is done; the children run on one executor, so this needs no lock
    };
    co_await fanout::when_all(ids, fetch_and_keep, fanout::limit(16));
    // [/as-completed]
    check(names.size() == ids.size(), "each was kept");

    auto const fetch = [&](int id) { return server.fetch(id); };
    // [gather]
    auto outcomes = co_await fanout::when_all_settled(
        ids, fetch, fanout::limit(16), fanout::options{.attempt_timeout = 2s, .deadline = 10s});
    // [/gather]
    check(outcomes.size() == ids.size() && outcomes[0].has_value(), "an outcome each");
}

asio::awaitable<void> from_go(profile_server& server, std::vector<int> const& wanted) {
    auto const before = server.asked();
    auto said = 0;
    // [errgroup]
    auto const fetch = [&](int id) { return server.fetch(id); };
    try {
        auto profiles = co_await fanout::when_all(wanted, fetch, fanout::limit(2));
        std::cout << profiles.size() << " profiles\n";
    } catch (
        std::exception const& first) { // nothing of the group runs any more, and nothing more of it starts
        std::cerr << first.what() << '\n';
        ++said;
    }
    // [/errgroup]
    check(said == 1 && server.asked() - before < static_cast<int>(wanted.size()), "it started no more");

    // [threads]
    asio::thread_pool pool(2);
    std::vector<int> const sizes{1000, 2000, 3000};
    auto const sum = [](int size) -> asio::awaitable<long> {
        std::vector<long> numbers(static_cast<std::size_t>(size), 1);
        co_return std::accumulate(numbers.begin(), numbers.end(), 0L);
    };
    auto sums = co_await fanout::when_all(sizes, sum, fanout::limit(2), fanout::on(pool));
    // [/threads]
    check(sums == std::vector<long>{1000, 2000, 3000}, "in order");
}

asio::awaitable<void> from_folly(profile_server& server, std::vector<int> const& ids) {
    // [collect-all-range]
    std::vector<asio::awaitable<profile>> children;
    for (int id : ids) {
        children.push_back(server.fetch(id));
    }
    auto profiles = co_await fanout::when_all(std::move(children));
    // [/collect-all-range]
    check(profiles.size() == ids.size(), "a value each");

    auto const fetch = [&](int id) { return server.fetch(id); };
    // [windowed]
    auto in_a_window = co_await fanout::when_all(ids, fetch, fanout::limit(16));
    // [/windowed]
    check(in_a_window.size() == ids.size(), "a value each");
}

asio::awaitable<void> from_cobalt(profile_server& server) {
    // [cobalt-gather]
    auto both = co_await fanout::when_all_settled(server.fetch(13), server.count());
    auto& [one, number] = both;
    if (!one.has_value()) {
        std::cerr << "no profile, but " << number.value() << " users\n";
    }
    // [/cobalt-gather]
    check(!one.has_value() && number.value() == 1000, "each by itself");
}

asio::awaitable<void> from_asio(std::vector<std::chrono::milliseconds> const& times) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<asio::steady_timer> timers;
    for (auto const time : times) {
        timers.emplace_back(executor, time);
    }
    // [parallel-group]
    namespace x = asio::experimental;
    using wait = decltype(timers[0].async_wait(asio::deferred));
    std::vector<wait> waits;
    for (auto& timer : timers) {
        waits.push_back(timer.async_wait(asio::deferred));
    }
    auto done =
        co_await x::make_parallel_group(std::move(waits)).async_wait(x::wait_for_all(), asio::deferred);
    auto& [order, errors] = done;
    // [/parallel-group]
    check(order.size() == times.size() && !errors[0], "all have ended");

    for (std::size_t i = 0; i < times.size(); ++i) {
        timers[i].expires_after(times[i]);
    }
    // [not-a-group]
    auto const wait_for = [](asio::steady_timer& timer) { return timer.async_wait(asio::deferred); };
    auto outcomes = co_await fanout::when_all_settled(timers, wait_for, fanout::limit(64));
    // [/not-a-group]
    check(outcomes.size() == times.size() && outcomes[0].has_value(), "all have ended");
}

asio::awaitable<void> all(profile_server& server) {
    std::vector<int> ids(20);
    std::iota(ids.begin(), ids.end(), 20);
    std::vector<int> const wanted{12, 13, 14, 15, 16, 17, 18, 19};
    co_await from_javascript(server, ids, wanted);
    co_await from_python(server, ids);
    co_await from_go(server, wanted);
    co_await from_folly(server, ids);
    co_await from_cobalt(server);
    std::vector<std::chrono::milliseconds> const times{3ms, 1ms, 2ms};
    co_await from_asio(times);
}

// A user who closes the tab: what he asked for is cancelled, and waited for.
void cancelled_by_the_caller() {
    asio::io_context context(1);
    std::string said;
    auto const job = [&]() -> asio::awaitable<void> {
        std::vector<std::chrono::hours> const naps{1h, 2h};
        auto const nap = [](std::chrono::hours time) -> asio::awaitable<void> {
            asio::steady_timer timer(co_await asio::this_coro::executor, time);
            co_await timer.async_wait(asio::use_awaitable);
        };
        co_await fanout::when_all(naps, nap);
    };
    auto const done = [&](std::exception_ptr failure) {
        try {
            if (failure) {
                std::rethrow_exception(failure);
            }
        } catch (boost::system::system_error const& e) {
            said = e.code() == fanout::errc::cancelled_by_caller ? "cancelled" : e.what();
        }
    };
    // [cancel]
    asio::cancellation_signal stop;
    asio::co_spawn(context, job(), asio::bind_cancellation_slot(stop.slot(), done));
    // [/cancel]
    context.run_for(1ms);
    // [abort]
    stop.emit(asio::cancellation_type::terminal); // on the context's thread: a signal is not synchronised
    // [/abort]
    context.run();
    check(said == "cancelled", "it heeded that");
}

int main() {
    std::exception_ptr failure;
    asio::io_context context(1);
    profile_server server;
    asio::co_spawn(context, all(server), [&](std::exception_ptr e) { failure = e; });
    context.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    cancelled_by_the_caller();
    std::cout << "docs/how-to/move-from: all snippets ran\n";
}
