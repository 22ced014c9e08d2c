// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the lab prints: a table for each chapter, or one JSON object.

#include "chapter.hpp"
#include "plot.hpp"
#include "recommendation.hpp"
#include "run_result.hpp"

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace lab {

// A chapter that was run.
struct told_chapter {
    std::string title;
    std::string conditions; // "1,000 inputs within 15 min; a call takes …"
    workload work;
    std::vector<run_result> results;
    std::vector<chapter::told> to_compare;
    std::vector<std::string> left_out; // strategies
    recommendation advice;
};

std::string conditions_of(workload const& work, std::string const& backend);

// Row by row, as the results come.
class table {
public:
    table(std::ostream& out, std::vector<strategy> const& strategies);
    void begin(std::string const& title, std::string const& conditions);
    void row(run_result const& r);
    void end(told_chapter const& c);

private:
    std::ostream& out_;
    std::size_t width_; // of a strategy's name
};

// `comparison` is JSON of its own, or empty.
void write_json(std::ostream& out, std::vector<told_chapter> const& chapters, std::uint32_t seed,
                bool interrupted, std::string const& comparison);

// Windows of the same retries are one line, from one at a time (the sequential loop) on. An adaptive limit is where it
// was on average, as is a rate; without a limit it is the most that were in flight.
std::vector<plot_point> points_of(std::vector<run_result> const& results);

} // namespace lab
