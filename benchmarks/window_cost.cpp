// SPDX-License-Identifier: BSL-1.0

// What a fan-out costs per child, beside a plain co_await loop over the same children. Run under callgrind at two
// sizes, the difference divided by the difference in size is the cost of a child: see scripts/window_cost.sh.

#include <fanout/limit/window.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <sys/resource.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <ranges>
#include <string_view>

namespace asio = boost::asio;

namespace {

asio::awaitable<void> child(std::size_t) { co_await asio::post(asio::deferred); }

asio::awaitable<void> loop(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        co_await child(i);
    }
}

asio::awaitable<void> settled(std::size_t n) {
    auto const inputs = std::views::iota(std::size_t{0}, n);
    auto const outcomes = co_await fanout::when_all_settled(inputs, child, fanout::limit(64));
    if (outcomes.size() != n) {
        std::abort();
    }
}

asio::awaitable<void> all(std::size_t n) {
    auto const inputs = std::views::iota(std::size_t{0}, n);
    co_await fanout::when_all(inputs, child, fanout::limit(64));
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: window_cost loop|settled|all N\n", stderr);
        return 2;
    }
    std::string_view const what = argv[1];
    auto const n = static_cast<std::size_t>(std::strtoull(argv[2], nullptr, 10));
    asio::io_context context(1);
    auto const rethrow = [](std::exception_ptr e) {
        if (e) {
            std::rethrow_exception(e);
        }
    };
    if (what == "loop") {
        asio::co_spawn(context, loop(n), rethrow);
    } else if (what == "settled") {
        asio::co_spawn(context, settled(n), rethrow);
    } else if (what == "all") {
        asio::co_spawn(context, all(n), rethrow);
    } else {
        std::fputs("window_cost: the first argument is one of loop, settled, all\n", stderr);
        return 2;
    }
    context.run();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%s %zu: peak memory %ld KiB\n", argv[1], n, usage.ru_maxrss);
}
