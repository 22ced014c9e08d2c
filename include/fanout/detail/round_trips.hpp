// SPDX-License-Identifier: BSL-1.0
#pragma once

// The pure state behind an adaptive limit: counts what is in flight, and makes one sample of each round trip.

#include <fanout/limit/algorithm/sample.hpp>
#include <fanout/limit/feedback.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace fanout::detail {

// It needs no clock. A round trip is over when as many permits came back as were in flight when it began: by
// Little's law that takes, on average, one latency, and no straggler or sprinter moves it, as it would move a
// round trip that ends with one chosen permit. The first one ends with the first ten at most: the backend was
// idle before them, so what they took is the latency without a queue, however many were sent at once.
//
// Permits that say nothing (`ignored`, unused) count for nothing: many of them make a round trip longer,
// never shorter.
//
// Overload is told at once, and begins a new round trip. A permit that was handed out before the last
// decrease and tells of overload tells of what has been answered already: a burst of rejections is one sign.
template <limit_algorithm A>
class round_trips {
public:
    explicit round_trips(A algorithm) noexcept(std::is_nothrow_move_constructible_v<A>)
        : algorithm_(std::move(algorithm)) {}

    // A permit was handed out: its number.
    std::uint64_t acquired() noexcept {
        ++in_flight_;
        peak_ = (std::max)(peak_, in_flight_);
        return next_++;
    }

    // A permit comes back; the algorithm may be told.
    void released(std::uint64_t number, feedback const& f) noexcept {
        auto const in_use = in_flight_--;
        if (f.what == feedback::ignored || f.ended == state::not_started) {
            return;
        }
        if (left_ == 0) {
            left_ = (std::min)(in_use, first_trip);
        }
        if (f.what == feedback::overloaded) {
            if (number >= decreased_at_) {
                decreased_at_ = next_;
                tell(true, in_use);
                return;
            }
        } else {
            sum_ += f.latency;
            ++served_;
        }
        if (--left_ == 0) {
            tell(false, in_use);
        }
    }

    std::size_t limit() const noexcept { return algorithm_.limit(); }
    std::size_t in_flight() const noexcept { return in_flight_; }
    A const& algorithm() const noexcept { return algorithm_; }

private:
    void tell(bool overloaded, std::size_t in_use) noexcept {
        // At the end of a round trip a child was served: those that were out when it began are one fewer than
        // it takes, and a new one that was not served would have told of overload.
        auto const mean = served_ == 0 ? std::chrono::nanoseconds{} : sum_ / served_;
        algorithm_.on_sample(sample{mean, peak_, overloaded, static_cast<std::size_t>(served_)});
        left_ = in_use; // those that are out, and the one that takes the place of the one that came back
        peak_ = in_flight_;
        sum_ = {};
        served_ = 0;
    }

    static constexpr std::size_t first_trip = 10;

    A algorithm_;
    std::uint64_t next_ = 0;         // the number of the next permit
    std::uint64_t decreased_at_ = 0; // permits below it were handed out before the last sign of overload
    std::size_t in_flight_ = 0;
    // Of this round trip:
    std::size_t left_ = 0; // permits that have to come back until it is over; 0: none came back yet
    std::size_t peak_ = 0; // the most in flight at once
    std::chrono::nanoseconds sum_{};
    std::int64_t served_ = 0;
};

} // namespace fanout::detail
