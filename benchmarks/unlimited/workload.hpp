// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out without a limit, as Promise.all: all children are in flight, and each posts once.

#include "../support/children.hpp"

namespace unlimited {

using namespace bench::children;

inline bench::config const config{.floor = "unlimited/loop"};

} // namespace unlimited
