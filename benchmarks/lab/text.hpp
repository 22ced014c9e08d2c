// SPDX-License-Identifier: BSL-1.0
#pragma once
// Numbers as people write them, and as they are read; no locale matters.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lab {

std::string count_text(std::size_t n);             // 1,234,567
std::string number_text(double n);                 // three digits: 1,240, 181, 0.0123
std::string number_in_name(double n);              // as short as it can be read again: 0.1, 1234.5
std::string fixed_text(double n, int decimals);    // 1.50
std::string time_text(std::chrono::nanoseconds d); // 9 min 0 s, 1.04 s, 540 ms
double seconds_of(std::chrono::nanoseconds d);

// The whole text, or nothing.
std::optional<std::uint64_t> whole_number_of(std::string_view text);
std::optional<double> number_of(std::string_view text);

// "10ms", "1.5s", "250us", "15min", "2h": more than 0 and at most 30 days, else nothing.
std::optional<std::chrono::nanoseconds> time_of(std::string_view text);

} // namespace lab
