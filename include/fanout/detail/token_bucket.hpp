// SPDX-License-Identifier: BSL-1.0
#pragma once

// The arithmetic of a token bucket; the time is told, nothing waits.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace fanout::detail {

/// Counts the tokens that were taken since it was last full, and knows from that when it will be full again (as
/// the generic cell rate algorithm, ITU-T I.371, does). Each time is computed from the count, so that no
/// rounding adds up, however long it runs.
template <class TimePoint>
class token_bucket {
    using duration = typename TimePoint::duration;

public:
    token_bucket(double per_second, double burst, TimePoint now)
        : per_second_(per_second), burst_(burst), start_(now) {
        if (!(per_second > 0) || !std::isfinite(per_second)) {
            throw std::invalid_argument("fanout::rate: per_second must be more than 0, and finite");
        }
        if (!(burst >= 1) || !std::isfinite(burst)) {
            throw std::invalid_argument(
                "fanout::rate: burst must be at least 1, or nothing would ever start");
        }
    }

    double per_second() const noexcept { return per_second_; }
    double burst() const noexcept { return burst_; }

    /// Takes a token, where there is one at `now`.
    bool try_take(TimePoint now) noexcept {
        if (now < next(now)) {
            return false;
        }
        // A token that came between two ticks of the clock is seen late, by less than a tick; nothing is lost
        // by that.
        auto const late = fine(now - start_) - time_of(static_cast<double>(taken_));
        if (late >= (std::min)(fine(duration(1)), time_of(1.0))) {
            start_ = now;
            taken_ = 0;
        }
        ++taken_;
        return true;
    }

    /// When there will be a token; `now` where there is one.
    TimePoint next(TimePoint now) const noexcept {
        auto const due = time_of(static_cast<double>(taken_ + 1) - burst_);
        return due > fine(now - start_) ? start_ + std::chrono::ceil<duration>(due) : now;
    }

    /// A token was not used.
    void give_back() noexcept { --taken_; }

private:
    using fine = std::chrono::duration<double, std::nano>;

    /// How long so many tokens take to come. 100 years are for ever, and far from where a time point overflows.
    fine time_of(double tokens) const noexcept {
        constexpr double most = 3.2e18;
        return fine((std::min)(tokens * 1e9 / per_second_, most)); // in this order: exact where it can be
    }

    double per_second_;
    double burst_;
    TimePoint start_;        ///< when it was last full
    std::int64_t taken_ = 0; ///< since then
};

} // namespace fanout::detail
