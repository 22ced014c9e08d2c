// SPDX-License-Identifier: BSL-1.0
#pragma once
// Numbers from [0, 1) that depend on what they are for and on nothing else, so that the order of calls does not matter.

#include <cstdint>
#include <initializer_list>

namespace lab {

// splitmix64 over all of them: the same in each standard library.
inline double hashed(std::initializer_list<std::uint64_t> what) {
    std::uint64_t h = 0;
    for (auto const n : what) {
        h += n + 0x9e3779b97f4a7c15U;
        h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
        h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
        h ^= h >> 31;
    }
    return static_cast<double>(h >> 11) * 0x1p-53;
}

} // namespace lab
