// SPDX-License-Identifier: BSL-1.0
#pragma once

// The latency of a backend without a queue: what the algorithms that judge by latency compare with.

#include <fanout/detail/random.hpp>
#include <fanout/limit/algorithm/sample.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace fanout {

/// Turns samples into one number, `ratio()`: the part of the latency that is not spent in a queue.
///
/// - A change of the limit shows only in children that are started after it: the round trip that follows
///   one is skipped (TCP Vegas doubles every other round trip for that reason).
/// - The mean of fewer than `enough` children is noise: round trips are added up until there are so many.
/// - The latency without a queue cannot be seen while there is one. So from time to time the limit is
///   lowered for a round trip, and what is seen then is the baseline (BBR's ProbeRTT). It is `stale()` when
///   no round trip confirmed it, by being at most as long, for U(0.5, 1) · `trips` of them (drawn, so that
///   those who share a backend do not look all at once), and sooner where there was reason to `doubt` it.
class baseline {
public:
    /// What to make of a round trip.
    enum class verdict : std::uint8_t {
        wait,   ///< nothing to learn from this round trip
        few,    ///< too few children yet
        probed, ///< the limit was lowered and may be raised again
        judge,  ///< see `ratio()`
    };

    static constexpr std::size_t enough = 10; ///< as the least window of Netflix' `WindowedLimit`

    /// Looks after half to all of `trips` round trips, drawn by a generator with this seed.
    baseline(double trips, std::uint32_t seed) noexcept : trips_(trips), generator_(seed) { draw(); }

    /// A round trip that was not overloaded.
    verdict take(sample const& s) noexcept {
        if (std::exchange(skip_, false)) {
            return verdict::wait;
        }
        auto const served = (std::max)(s.served, std::size_t{1});
        sum_ += (std::max)(1.0, static_cast<double>(s.rtt.count())) * static_cast<double>(served);
        served_ += served;
        if (served_ < enough) {
            return verdict::few;
        }
        before_ = std::exchange(rtt_, sum_ / static_cast<double>(served_));
        forget();
        if (std::exchange(probing_, false)) {
            take_probe();
            return verdict::probed;
        }
        if (unloaded_ == 0) {
            set(rtt_);
            return verdict::wait;
        }
        return verdict::judge;
    }

    /// The latency without a queue, divided by that of the last round trip: 1 without a queue, 0.5 where half
    /// of the time is spent in it.
    double ratio() const noexcept { return unloaded_ / rtt_; }

    /// The last round trip had no queue: the baseline goes half of the way to it. In slow start each round
    /// trip has twice the children of the one before, so that this weighs every child alike.
    void average() noexcept { set(unloaded_ + (rtt_ - unloaded_) / 2); }

    /// The last round trip may have had a queue. One that is shorter cannot: only half of the way, since it
    /// may be luck.
    void observe() noexcept {
        if (rtt_ <= unloaded_) {
            average();
        } else {
            left_ -= 1;
        }
    }

    /// There is reason to look again sooner: after this part of the time.
    void doubt(double part) noexcept { left_ -= part * trips_; }

    /// Whether to look: not while the latency changes, since then nobody knows how far to lower the limit.
    bool stale() const noexcept { return left_ <= 0 && std::abs(rtt_ - before_) <= 0.1 * rtt_; }

    /// The limit that drains the queue, for a probe. With a margin, as the baseline may be too high, and by
    /// at least a tenth.
    double drained(double limit) const noexcept { return limit * (std::min)(0.95 * ratio(), 0.9); }

    /// The limit was changed.
    void changed() noexcept {
        skip_ = true;
        forget();
    }

    /// The limit was lowered to see the latency without a queue.
    void probe() noexcept {
        probing_ = true;
        changed();
    }

    /// The limit was lowered for overload; that ends a probe.
    void overloaded() noexcept {
        probing_ = false;
        changed();
    }

private:
    void take_probe() noexcept {
        // Fewer children cannot make it slower: if it is, the backend has changed meanwhile. Look again.
        if (rtt_ > 1.05 * before_) {
            return;
        }
        // Where another latency is found than was known, the limit was lowered to a wrong level. Look again.
        bool const confirmed = std::abs(rtt_ - unloaded_) <= 0.05 * unloaded_;
        set(rtt_);
        left_ = confirmed ? left_ : 0;
    }

    void set(double rtt) noexcept {
        unloaded_ = rtt;
        draw();
    }

    void draw() noexcept {
        using generator = detail::minimal_generator;
        constexpr auto span = static_cast<double>(generator::max() - generator::min());
        left_ = trips_ * (0.5 + 0.5 * static_cast<double>(generator_() - generator::min()) / span);
    }

    void forget() noexcept {
        sum_ = 0;
        served_ = 0;
    }

    // In nanoseconds:
    double unloaded_ = 0; // 0: not known yet
    double rtt_ = 0;      // the last mean of enough children
    double before_ = 0;   // the one before
    double sum_ = 0;
    std::size_t served_ = 0;
    double trips_;
    double left_ = 0; // round trips until it is stale
    bool skip_ = false;
    bool probing_ = false;
    detail::minimal_generator generator_;
};

} // namespace fanout
