// SPDX-License-Identifier: BSL-1.0
#include "every_public_header.hpp"

boost::system::error_category const& category_of_the_other_unit();

boost::system::error_category const& category_of_the_other_unit() { return fanout::category(); }
