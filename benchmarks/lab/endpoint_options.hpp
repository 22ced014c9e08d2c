// SPDX-License-Identifier: BSL-1.0
#pragma once
// The real endpoints: which one is asked for, and what is run against it.

#include "run_result.hpp"
#include "run_strategy.hpp"

#include <functional>
#include <iosfwd>
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
    // Throws support::bad_argument where there are options for an endpoint, and no endpoint.
    bool asked_for() const;
    std::string title() const; // of the table: which endpoint. Throws support::bad_argument

    // Runs one strategy after another in real time; each result is told, that of several rounds when all are over. With
    // `--measure`, but without `--compare`, it measures only, and tells nothing. What else there is to say goes to
    // `out`, unless that is null. SIGINT and SIGTERM end it early: then the last result is `interrupted`.
    //
    // Returns the exit status: 0, 1 where a comparison disagrees, 128 + n after signal n. Throws std::exception where the
    // endpoint cannot be used, and support::bad_argument where an option is wrong.
    int run(std::vector<strategy> const& strategies, workload const& work,
            std::function<void(run_result const&)> const& tell, std::ostream* out);

    // What `--compare` found, as a JSON object; empty where it found nothing.
    std::string comparison() const;

private:
    struct options;
    std::unique_ptr<options> options_;
};

} // namespace lab
