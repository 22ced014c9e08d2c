// SPDX-License-Identifier: BSL-1.0
#include <fanout.hpp>

boost::system::error_category const& category_of_the_other_unit();

boost::system::error_category const& category_of_the_other_unit() { return fanout::category(); }
