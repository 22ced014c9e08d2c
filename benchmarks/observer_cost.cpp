// SPDX-License-Identifier: BSL-1.0

// What observers cost a fan-out's child. Run under callgrind at two sizes, the difference divided by the difference in
// size is the cost of a child: see scripts/observer_cost.sh.

#include <fanout/limit/window.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/observe/stats.hpp>
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

struct one_hook {
    void on_settled(fanout::settled_event const&) noexcept {}
};

asio::awaitable<void> child(std::size_t) { co_await asio::post(asio::deferred); }

/// Runs n children, watched by what is given.
template <class... Observer>
void fan_out(std::size_t n, Observer&&... watched) {
    asio::io_context context(1);
    auto const inputs = std::views::iota(std::size_t{0}, n);
    auto const run = [&]() -> asio::awaitable<void> {
        auto operation =
            fanout::when_all_settled(inputs, child, fanout::limit(64), std::forward<Observer>(watched)...);
        auto const outcomes = co_await std::move(operation);
        if (outcomes.size() != n) {
            std::abort();
        }
    };
    asio::co_spawn(context, run(), [](std::exception_ptr e) {
        if (e) {
            std::rethrow_exception(e);
        }
    });
    context.run();
}

bool measure(std::string_view what, std::size_t n) {
    fanout::stats stats;
    fanout::recording recording;
    if (what == "none") {
        fan_out(n);
    } else if (what == "empty") {
        fan_out(n, fanout::observe());
    } else if (what == "hook") {
        fan_out(n, one_hook());
    } else if (what == "stats") {
        fan_out(n, stats);
    } else if (what == "recording") {
        fan_out(n, recording);
    } else if (what == "both") {
        fan_out(n, fanout::observe(stats, recording));
    } else {
        return false;
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3 || !measure(argv[1], static_cast<std::size_t>(std::strtoull(argv[2], nullptr, 10)))) {
        std::fputs("usage: observer_cost none|empty|hook|stats|recording|both N\n", stderr);
        return 2;
    }
}
