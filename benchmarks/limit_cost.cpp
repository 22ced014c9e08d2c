// SPDX-License-Identifier: BSL-1.0

// What shared limits cost: a permit by itself, and a fan-out's child under each kind of limit. Run under callgrind at two
// sizes, the difference divided by the difference in size is the cost of one: see scripts/limit_cost.sh.

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <ranges>
#include <string_view>
#include <utility>

namespace asio = boost::asio;

namespace {

void permits(std::size_t n) {
    fanout::semaphore s(64);
    for (std::size_t i = 0; i < n; ++i) {
        auto p = s.try_acquire();
        if (!p) {
            std::abort();
        }
        p.release();
    }
}

asio::awaitable<void> child(std::size_t) { co_await asio::post(asio::deferred); }

/// Runs `callers` fan-outs side by side, with n children in all.
template <class Child, class Limit>
void fan_out(std::size_t n, Child const& make, Limit&& limit, std::size_t callers = 1) {
    asio::io_context context(1);
    auto const inputs = std::views::iota(std::size_t{0}, n / callers);
    auto const run = [&]() -> asio::awaitable<void> {
        auto operation = fanout::when_all_settled(inputs, make, std::forward<Limit>(limit));
        auto const outcomes = co_await std::move(operation);
        if (outcomes.size() != n / callers) {
            std::abort();
        }
    };
    for (std::size_t i = 0; i < callers; ++i) {
        asio::co_spawn(context, run(), [](std::exception_ptr e) {
            if (e) {
                std::rethrow_exception(e);
            }
        });
    }
    context.run();
}

bool measure(std::string_view what, std::size_t n) {
    fanout::semaphore shared(64);
    if (what == "permit") {
        permits(n);
    } else if (what == "window") {
        fan_out(n, child, fanout::limit(64));
    } else if (what == "semaphore") {
        fan_out(n, child, shared);
    } else if (what == "contended") {
        fan_out(n, child, shared, 2);
    } else if (what == "adaptive") {
        fanout::adaptive<fanout::aimd> limit({.maximum = 64});
        fan_out(n, child, limit);
    } else if (what == "pool") {
        fanout::pool<int> resources(64, []() -> asio::awaitable<int> { co_return 0; });
        fan_out(n, [](std::size_t i, int&) { return child(i); }, resources);
    } else if (what == "keyed") {
        auto const key = [](std::size_t i) { return i % 64; };
        fan_out(n, child, fanout::all_of(fanout::limit(64), fanout::keyed(1, key)));
    } else {
        return false;
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3 || !measure(argv[1], static_cast<std::size_t>(std::strtoull(argv[2], nullptr, 10)))) {
        std::fputs("usage: limit_cost permit|window|semaphore|contended|adaptive|pool|keyed N\n", stderr);
        return 2;
    }
}
