// SPDX-License-Identifier: BSL-1.0
#pragma once

// The width sweep: fan-outs of one width, one after another, without a limit; each child posts once. At a width
// of 1 the cost is that of a fan-out, at 100,000 that of its children and of the memory that they take.

#include "../support/children.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <ranges>
#include <string>

namespace width {

namespace asio = boost::asio;
using namespace bench::children;

inline constexpr std::array<std::size_t, 6> widths{1, 10, 100, 1'000, 10'000, 100'000};

/// How many of them have a value.
std::size_t fulfilled(auto const& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& each) { return each.has_value(); }));
}

/// Registers "width/<contender>@<width>" for each width that `when` holds for. `run(width, times)` runs so many
/// fan-outs, one after another, in a context of their own.
struct sweep_by {
    sweep_by(
        std::string const& contender, std::function<void(std::size_t, std::size_t)> run,
        bool (*when)(std::size_t) = [](std::size_t) { return true; }) {
        for (auto const width : widths | std::views::filter(when)) {
            auto const at = '@' + std::to_string(width);
            bench::config const config{.floor = "width/loop" + at, .sizes = {(std::max)(width, widths[4])}};
            bench::contender("width/" + contender + at, config, [run, width](std::size_t n) {
                bench::require(n % width == 0, "N is a multiple of the width");
                run(width, n / width);
            });
        }
    }
};

/// The same, for a coroutine `FanOut(width)` that runs one fan-out, and returns how many of its children have
/// succeeded.
template <auto FanOut>
struct sweep : sweep_by {
    explicit sweep(
        std::string const& contender, bool (*when)(std::size_t) = [](std::size_t) { return true; })
        : sweep_by(contender, run, when) {}

private:
    using executor_type = typename decltype(FanOut(std::size_t{}))::executor_type;

    static void run(std::size_t width, std::size_t times) {
        asio::io_context context(1);
        bench::run_in(context, in_turn(width, times));
    }

    static asio::awaitable<void, executor_type> in_turn(std::size_t width, std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) {
            auto const succeeded = co_await FanOut(width);
            bench::require(succeeded == width, "each child has run");
        }
    }
};

} // namespace width
