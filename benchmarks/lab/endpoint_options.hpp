// SPDX-License-Identifier: BSL-1.0
#pragma once
// The real endpoints: which one is asked for, and what is run against it.

#include "run_result.hpp"
#include "run_strategy.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lab {

// `--mysql`, `--dynamodb` and what belongs to them. `main` adds the options, parses, and where one is asked for has it
// run the strategies in place of the simulation.
class real_endpoints {
public:
    real_endpoints();
    real_endpoints(real_endpoints const&) = delete;
    real_endpoints& operator=(real_endpoints const&) = delete;
    ~real_endpoints();

    void add_options(CLI::App& app);
    bool asked_for() const;
    std::string title() const; // of the table: which endpoint

    // Runs one strategy after another in real time; each result is told as soon as it is there. Ends early at SIGINT
    // and SIGTERM: then the last result is `interrupted`. Throws std::exception where the endpoint cannot be used, and
    // support::bad_argument where an option is wrong.
    void run(std::vector<strategy> const& strategies, workload const& work,
             std::function<void(run_result const&)> const& tell);

private:
    struct options;
    std::unique_ptr<options> options_;
};

} // namespace lab
