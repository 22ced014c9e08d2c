// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which failed writes may be better at the next try, and which say that there are too many.

#include <boost/system/error_code.hpp>

namespace snapshot {

bool is_worth_a_retry(boost::system::error_code const& error);

// The target turned the write away because it is asked too much.
bool is_throttled(boost::system::error_code const& error);

} // namespace snapshot
