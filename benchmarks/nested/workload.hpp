// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out of fan-outs: n children, each of which posts once, in fan-outs of 10, 100 and 1,000, all of which
// run at once. No limit.

#include "../support/children.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace nested {

namespace asio = boost::asio;
using namespace bench::children;

inline constexpr std::array<std::size_t, 3> widths{10, 100, 1'000};

/// How many of them have a value.
std::size_t fulfilled(auto const& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return each.has_value(); }));
}

/// Registers "nested/<contender>@<inner width>" for each width. `FanOut(outer, inner)` is a coroutine that runs
/// `outer` fan-outs of `inner` children, and returns how many children have succeeded.
template <auto FanOut>
struct sweep {
    explicit sweep(std::string const& contender) {
        for (auto const inner : widths) {
            auto const at = '@' + std::to_string(inner);
            bench::contender("nested/" + contender + at, {.floor = "nested/loop" + at},
                             [inner](std::size_t n) { run(n, inner); });
        }
    }

private:
    using executor_type = typename decltype(FanOut(0, 0))::executor_type;

    static void run(std::size_t n, std::size_t inner) {
        asio::io_context context(1);
        bench::require(n % inner == 0, "N is a multiple of the inner width");
        bench::run_in(context, checked(n / inner, inner));
    }

    static asio::awaitable<void, executor_type> checked(std::size_t outer, std::size_t inner) {
        auto const succeeded = co_await FanOut(outer, inner);
        bench::require(succeeded == outer * inner, "each child has run");
    }
};

} // namespace nested
