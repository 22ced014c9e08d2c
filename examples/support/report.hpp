// SPDX-License-Identifier: BSL-1.0
#pragma once
// What an experiment prints: a row for each figure, the article's beside ours.

#include <chrono>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

namespace support {

// So many units, to a tenth: "6.0".
inline std::string in_units(std::chrono::nanoseconds took, std::chrono::nanoseconds unit) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1)
         << static_cast<double>(took.count()) / static_cast<double>(unit.count());
    return text.str();
}

// "| experiment | article | ours |": the tests collect these rows in one table. None of the three holds a '|'.
inline void report(std::string_view experiment, std::string_view article, std::string_view ours) {
    std::cout << "| " << experiment << " | " << article << " | " << ours << " |" << std::endl;
}

// The time since it was made.
class stopwatch {
public:
    std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - start_; }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace support
