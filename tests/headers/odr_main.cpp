// SPDX-License-Identifier: BSL-1.0
// Every public header in two translation units of one program: a function that is not inline would not link.
#include "every_public_header.hpp"

boost::system::error_category const& category_of_the_other_unit();

int main() {
    // One category in the whole program, or error codes made in two units would never compare equal.
    return &fanout::category() == &category_of_the_other_unit() ? 0 : 1;
}
