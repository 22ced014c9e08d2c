// SPDX-License-Identifier: BSL-1.0
#pragma once
// How long a call takes: constant, exponential, log-normal, or as it was measured.

#include "measured.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace lab {

using duration = std::chrono::nanoseconds;

class distribution {
public:
    struct constant {
        duration value;
    };
    struct exponential {
        duration mean;
    };
    struct log_normal {
        duration mean;
        double sigma; // of the logarithm
    };
    struct as_measured {
        std::shared_ptr<measured const> times; // with calls in it
    };

    distribution(constant c) : what_(c) {}
    distribution(exponential e) : what_(e) {}
    distribution(log_normal l) : what_(l) {}
    distribution(as_measured m) : what_(std::move(m)) {}

    // What a number from [0, 1) and another stand for. Equal numbers, equal time; and in each standard library the same
    // but for what its logarithm and cosine leave to rounding.
    duration drawn(double u, double v) const;
    duration mean() const;
    std::string text() const;                               // "540 ms on average, log-normal of sigma 0.2"
    std::shared_ptr<measured const> measured_times() const; // null where it is not as measured

private:
    std::variant<constant, exponential, log_normal, as_measured> what_;
};

// "constant:10ms", "exponential:10ms", "log-normal:540ms:0.2", "measured:FILE". Throws std::invalid_argument, which
// says what would be right.
distribution distribution_of(std::string_view text);

// "10ms", "1.5s", "250us", "15min", "2h". Throws std::invalid_argument.
duration duration_of(std::string_view text);

} // namespace lab
