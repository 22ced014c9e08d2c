// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which failed writes may be better at the next try.

#include <boost/system/error_code.hpp>

namespace snapshot {

bool is_worth_a_retry(boost::system::error_code const& error);

} // namespace snapshot
