// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the algorithms of this folder share in checking their options.

#include <fanout/detail/require.hpp>

#include <algorithm>
#include <cstddef>

namespace fanout::detail {

// Checks the bounds, and tells where to start.
template <class Options>
std::size_t checked_initial(char const* algorithm, Options const& o) {
    require(o.minimum >= 1, algorithm, "minimum must be at least 1");
    require(o.minimum <= o.maximum, algorithm, "minimum must not exceed maximum");
    // Above it a double does not count any more.
    require(o.maximum <= (std::size_t{1} << 53), algorithm, "maximum must be at most 2^53");
    if (o.initial == 0) {
        return (std::clamp)(std::size_t{10}, o.minimum, o.maximum); // as TCP's first window, RFC 6928
    }
    require(o.initial >= o.minimum && o.initial <= o.maximum, algorithm,
            "initial must lie within [minimum, maximum]");
    return o.initial;
}

// Whether so much of the limit was in use that its size was what held the children back.
inline bool used(std::size_t in_flight, std::size_t limit) noexcept { return in_flight >= limit - limit / 2; }

} // namespace fanout::detail
