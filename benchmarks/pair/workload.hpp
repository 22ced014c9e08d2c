// SPDX-License-Identifier: BSL-1.0
#pragma once

// Two children beside each other, again and again: what one small fan-out costs. One of n is a pair.

#include "../support/children.hpp"

#include <cstddef>

namespace pair {

using namespace bench::children;

// Both children suspend once; both are ready at once; and where several threads may run the context.
inline bench::config const config{.floor = "pair/operators", .sizes = {2000}, .each = "pair"};
inline bench::config const of_ready{.floor = "pair/operators@ready", .sizes = {2000}, .each = "pair"};
inline bench::config const on_threads{.floor = "pair/operators@threads", .sizes = {2000}, .each = "pair"};

} // namespace pair
