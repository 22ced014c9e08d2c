// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which strategy the numbers speak for, and where they do not tell two apart.

#include "run_result.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lab {

struct recommendation {
    std::vector<std::size_t> best; // indices of the results; more than one: the numbers do not separate them
    std::string text;              // one sentence
};

// An input that is lost outweighs any time: those that fulfil all come first. Of these the fastest, of the equally fast
// those with the fewest attempts, and of these those with the lowest p99. Equal is what differs by less than 5 %.
// Interrupted results do not count.
recommendation recommend(std::vector<run_result> const& results);

} // namespace lab
