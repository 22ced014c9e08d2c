// SPDX-License-Identifier: BSL-1.0
#pragma once

// The limit sweep: fan-outs of 16,384 children, each of which posts once, in windows of 1 to 4,096. The filling
// of the window and its draining are part of each.

#include "../support/children.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace limits {

namespace asio = boost::asio;
using namespace bench::children;

inline constexpr std::array<std::size_t, 7> windows{1, 4, 16, 64, 256, 1'024, 4'096};
inline constexpr std::size_t fan_out_of = 16'384;

/// How many of them have a value.
std::size_t fulfilled(auto const& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return each.has_value(); }));
}

/// Registers "limits/<contender>@<window>" for each window. `FanOut(n, window)` is a coroutine that runs n
/// children, and returns how many of them have succeeded.
template <auto FanOut>
struct sweep {
    explicit sweep(std::string const& contender) {
        for (auto const window : windows) {
            only(contender, window);
        }
    }

    /// For a contender that has no other window.
    sweep(std::string const& contender, std::size_t window) { only(contender, window); }

private:
    using executor_type = typename decltype(FanOut(0, 0))::executor_type;

    static void only(std::string const& contender, std::size_t window) {
        bench::contender("limits/" + contender + '@' + std::to_string(window),
                         {.floor = "limits/loop@1", .sizes = {fan_out_of}},
                         [window](std::size_t n) { run(n, window); });
    }

    /// n children in all.
    static void run(std::size_t n, std::size_t window) {
        asio::io_context context(1);
        bench::require(n % fan_out_of == 0, "N is a multiple of 16,384");
        bench::run_in(context, in_turn(n / fan_out_of, window));
    }

    static asio::awaitable<void, executor_type> in_turn(std::size_t times, std::size_t window) {
        for (std::size_t i = 0; i < times; ++i) {
            auto const succeeded = co_await FanOut(fan_out_of, window);
            bench::require(succeeded == fan_out_of, "each child has run");
        }
    }
};

} // namespace limits
