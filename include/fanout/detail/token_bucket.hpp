// SPDX-License-Identifier: BSL-1.0
#pragma once

// The arithmetic of a token bucket; the time is told, nothing waits.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace fanout::detail {

/// Counted as the time at which the bucket will be full (the generic cell rate algorithm, ITU-T I.371): no rounding
/// adds up, however long it runs.
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
        // 100 years are for ever, and far from where a time point overflows.
        constexpr double most = 3.2e9;
        token_ = seconds((std::min)(1.0 / per_second, most));
        room_ = seconds((std::min)((burst - 1.0) / per_second, most));
    }

    double per_second() const noexcept { return per_second_; }
    double burst() const noexcept { return burst_; }

    /// Takes a token, where there is one at `now`.
    bool try_take(TimePoint now) noexcept {
        if (now < next(now)) {
            return false;
        }
        full_at_ = (std::max)(full_at_, since_start(now)) + token_;
        return true;
    }

    /// When there will be a token; `now` where there is one.
    TimePoint next(TimePoint now) const noexcept {
        auto const due = full_at_ - room_;
        return due > since_start(now) ? start_ + std::chrono::ceil<duration>(due) : now;
    }

    /// A token was not used.
    void give_back() noexcept { full_at_ -= token_; }

private:
    // In floating point, so that a token of 1/3 s has no error to add up.
    using fine = std::chrono::duration<double, std::nano>;
    static fine seconds(double s) noexcept { return fine(s * 1e9); }
    fine since_start(TimePoint t) const noexcept { return t - start_; }

    double per_second_;
    double burst_;
    fine token_{};
    fine room_{}; ///< how much later than now it may be full, for there to be a token
    TimePoint start_;
    fine full_at_{}; ///< since the start
};

} // namespace fanout::detail
