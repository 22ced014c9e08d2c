// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fanout.hpp>

// Both fan out over the same types: what the linker finds twice must be the same thing.
int first_sum_of_squares(fanout::semaphore& places);
fanout::error_code first_code();

[[gnu::visibility("default")]] int second_sum_of_squares(fanout::semaphore& places);
[[gnu::visibility("default")]] fanout::error_code second_code();
[[gnu::visibility("default")]] void second_throws(); // a rejected_error
