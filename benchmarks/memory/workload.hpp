// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out with a window of 64 keeps in memory: of children that yield nothing, and of outcomes.

#include "../support/children.hpp"

namespace memory {

using namespace bench::children;

inline constexpr std::size_t width = 64;

} // namespace memory
