// SPDX-License-Identifier: BSL-1.0
// Both libraries in one program, which is a third user of the same headers: it links, a limit may be shared among them, and
// errors of the one are understood by the other.
#include "libraries.hpp"

#include <iostream>

namespace {

int failures = 0;

void check(bool holds, char const* what) {
    if (!holds) {
        std::cerr << "wrong: " << what << '\n';
        ++failures;
    }
}

} // namespace

int main() {
    for (int i = 0; i < 3; ++i) {
        fanout::semaphore places(2); // anew: a library that kept what it knew of the last one would err
        check(first_sum_of_squares(places) == 30, "the first library's sum");
        check(second_sum_of_squares(places) == 30, "the second library's sum");
    }
    check(first_code() == second_code(), "their codes are equal");
    check(first_code() == fanout::errc::not_started, "and equal to the program's");
    check(second_code().category() == fanout::category(), "they are of one category");
    try {
        second_throws();
        check(false, "the second library throws");
    } catch (fanout::rejected_error const& e) {
        check(e.failures().at(0).index == 7, "its exception is caught by its type, and whole");
    } catch (...) {
        check(false, "its exception is caught by its type");
    }
    return failures == 0 ? 0 : 1;
}
