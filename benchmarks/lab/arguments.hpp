// SPDX-License-Identifier: BSL-1.0
#pragma once
// The lab's options, and what they ask for.

#include "chapter.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lab {

struct arguments {
    std::optional<std::string> preset;
    std::vector<std::string> strategies, retries, budgets;
    std::optional<std::string> scale, deadline, attempt_timeout;
    std::optional<std::string> service, network, capacity, throttle, burst, errors, connection_limit;
    std::optional<std::size_t> most_in_flight;
    std::uint32_t seed = 1;
    bool json = false;
    std::optional<std::string> svg;
    bool list_presets = false;
};

void add_options(CLI::App& app, arguments& a);

// What is to be simulated. Throws support::bad_argument, which names the option.
std::vector<chapter> chapters_of(arguments const& a);

// What is to be run against a real endpoint: likewise, but options of the simulated backend are refused.
chapter real_chapter_of(arguments const& a);

} // namespace lab
