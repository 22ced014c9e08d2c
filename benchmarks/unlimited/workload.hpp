// SPDX-License-Identifier: BSL-1.0
#pragma once

// A fan-out without a limit, as Promise.all: all children are in flight, and each posts once.

#include "../support/children.hpp"

namespace unlimited {

using namespace bench::children;

// The floor is the loop in the unit of fanout_settled: see window/workload.hpp.
inline bench::config const config{.floor = "unlimited/loop@beside"};

} // namespace unlimited
