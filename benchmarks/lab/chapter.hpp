// SPDX-License-Identifier: BSL-1.0
#pragma once
// One table of the lab: what is done, to which backend, by which strategies. And the presets, which are made of them.

#include "run_strategy.hpp"
#include "simulated_backend.hpp"
#include "strategy.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace lab {

struct chapter {
    // How long somebody says that a strategy took.
    struct told {
        std::string strategy;
        std::chrono::nanoseconds wall;
    };

    std::string title;
    workload work;
    backend_options backend;
    std::vector<strategy> strategies;
    std::vector<told> to_compare = {};
};

struct preset {
    std::string name;
    std::string about;
    std::vector<chapter> chapters;
};

std::vector<preset> const& presets();

// Each admission with each retry policy and each budget; a budget without retries is left out.
std::vector<strategy> combined(std::vector<admission> const& admissions, std::vector<retrying> const& retries,
                               std::vector<budgeting> const& budgets);

// What there is to try where nothing is asked for: one after another, all at once, windows, a rate that the backend can
// serve where that can be told, and the adaptive limits.
std::vector<admission> usual_admissions(backend_options const& backend);

} // namespace lab
