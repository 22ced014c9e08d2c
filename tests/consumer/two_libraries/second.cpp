// SPDX-License-Identifier: BSL-1.0
#include "libraries.hpp"
#include "squares.hpp"

int second_sum_of_squares(fanout::semaphore& places) { return sum_of_squares(places); }

fanout::error_code second_code() { return fanout::errc::not_started; }

void second_throws() {
    throw fanout::rejected_error({{.index = 7, .attempts = 1, .error = second_code()}}, 8);
}
