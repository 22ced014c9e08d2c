// SPDX-License-Identifier: BSL-1.0

// The loop as a program of its own: see workload.hpp.

#include "workload.hpp"

namespace {

bench::contender const one("ready/loop", ready::config, bench::one<ready::loop>);

} // namespace
