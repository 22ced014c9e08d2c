// SPDX-License-Identifier: BSL-1.0
#pragma once

// A histogram of durations whose quantiles have a known relative error. Log-linear, as HdrHistogram is.

#include <fanout/detail/requirements.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fanout::detail {

/// Counts durations in 2^Bits buckets per power of two, so that a bucket is at most 2^-Bits of its values wide, and its
/// middle at most 2^-(Bits+1) away from any of them. Below 2^(Bits+1) ns each value has a bucket of its own; from
/// 2^49 ns (6.5 days) on there is one for all. Takes 8 · 2^Bits · (50 - Bits) bytes, and never allocates.
///
/// Why not a library's: Boost.Histogram with a logarithmic axis would add 0.4 s to the less than 2 s that fanout.hpp
/// takes to compile (g++ 12), for all who include it, and 73 instructions per duration rather than 20.
template <unsigned Bits>
class latency_histogram {
public:
    using duration = std::chrono::nanoseconds;

    void add(duration d) noexcept {
        d = (std::max)(d, duration::zero()); // of a clock that was set back
        ++buckets_[bucket_of(static_cast<std::uint64_t>(d.count()))];
        ++count_;
        least_ = (std::min)(least_, d);
        most_ = (std::max)(most_, d);
    }

    std::uint64_t count() const noexcept { return count_; }
    /// Exact; 0 where there is nothing.
    duration least() const noexcept { return count_ > 0 ? least_ : duration::zero(); }
    duration most() const noexcept { return most_; }

    /// The nearest-rank quantile: what the share `q` of all does not exceed. 0 where there is nothing. It is exact for
    /// the least and the most.
    ///
    /// @param q in [0, 1]
    duration quantile(double q) const noexcept {
        auto const wanted = q * static_cast<double>(count_);
        auto const rank = static_cast<std::uint64_t>(wanted);
        return ranked(rank + (static_cast<double>(rank) < wanted ? 1 : 0));
    }

    /// What `rank` of all do not exceed; 1 is the least.
    duration ranked(std::uint64_t rank) const noexcept {
        if (rank <= 1) {
            return least();
        }
        auto left = rank;
        std::size_t at = 0;
        while (at < last && left > buckets_[at]) {
            left -= buckets_[at++];
        }
        return at == last || rank >= count_ ? most_ : (std::clamp)(middle_of(at), least_, most_);
    }

private:
    static constexpr std::uint64_t per_octave = std::uint64_t{1} << Bits;
    static constexpr std::size_t last = ((50 - Bits) << Bits) - 1;

    static std::size_t bucket_of(std::uint64_t v) noexcept {
        auto const shift = static_cast<unsigned>(std::bit_width(v | per_octave)) - 1 - Bits;
        return (std::min)(static_cast<std::size_t>((std::uint64_t{shift} << Bits) + (v >> shift)), last);
    }

    static duration middle_of(std::size_t bucket) noexcept {
        auto const shift = bucket < 2 * per_octave ? 0 : (bucket >> Bits) - 1;
        auto const first = (std::uint64_t{bucket} - (shift << Bits)) << shift;
        auto const width = std::uint64_t{1} << shift;
        return duration(static_cast<duration::rep>(first + width / 2));
    }

    std::array<std::uint64_t, last + 1> buckets_{};
    std::uint64_t count_ = 0;
    duration least_ = (duration::max)(), most_{};
};

} // namespace fanout::detail
