// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out with a window of 64: 64 children are in flight, and each posts once.

#include "../support/children.hpp"

namespace window {

using namespace bench::children;

inline bench::config const config{.floor = "window/loop"};
inline bench::config const on_threads{.floor = "window/loop@threads"};

inline constexpr std::size_t width = 64;

} // namespace window
