// SPDX-License-Identifier: BSL-1.0
#pragma once
// A strategy, told by its name: how to admit calls, how to retry them, and what bounds the retries.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lab {

// "sequential", "unlimited", "window:64", "rate:180" (starts per second), "adaptive:aimd", "adaptive:vegas",
// "adaptive:gradient2".
struct admission {
    enum class kind : std::uint8_t { sequential, unlimited, window, rate, aimd, vegas, gradient2 };

    kind how = kind::sequential;
    std::size_t permits = 0; // of a window
    double per_second = 0;   // of a rate

    bool is_adaptive() const { return how >= kind::aimd; }
    std::string name() const;
    bool operator==(admission const&) const = default;
};

// "none", or a backoff with so many attempts at most, the first included: "exponential:4", "constant:4",
// "decorrelated:4", "polly:4". Without a number there are 4.
struct retrying {
    enum class kind : std::uint8_t { none, constant, exponential, decorrelated, polly };

    kind how = kind::none;
    std::uint32_t attempts = 1;

    std::string name() const;
    bool operator==(retrying const&) const = default;
};

// "none", "token" (that of the AWS SDKs), "ratio:0.1" (one retry in ten inputs; without a number 0.2).
struct budgeting {
    enum class kind : std::uint8_t { none, token, ratio };

    kind how = kind::none;
    double ratio = 0.2;

    std::string name() const;
    bool operator==(budgeting const&) const = default;
};

struct strategy {
    admission admit;
    retrying retry;
    budgeting budget;

    std::string name() const; // "window:64 exponential:4 token"; what is none is left out
    bool operator==(strategy const&) const = default;
};

// Throw std::invalid_argument, which says what would be right.
admission admission_of(std::string_view text);
retrying retrying_of(std::string_view text);
budgeting budgeting_of(std::string_view text);

} // namespace lab
