// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that complete at once, without a limit: what a fan-out costs where there is nothing to wait for.

#include "../support/children.hpp"

namespace ready {

using namespace bench::children;

inline bench::config const config{.floor = "ready/loop"};

} // namespace ready
