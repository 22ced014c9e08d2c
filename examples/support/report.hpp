// SPDX-License-Identifier: BSL-1.0
#pragma once
// What an experiment measures: time, and in which unit it is told.

#include <chrono>
#include <iomanip>
#include <sstream>
#include <string>

namespace support {

// So many units, to a tenth: "6.0".
inline std::string in_units(std::chrono::nanoseconds took, std::chrono::nanoseconds unit) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1)
         << static_cast<double>(took.count()) / static_cast<double>(unit.count());
    return text.str();
}

// The time since it was made.
class stopwatch {
public:
    std::chrono::nanoseconds elapsed() const { return std::chrono::steady_clock::now() - start_; }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

} // namespace support
