// SPDX-License-Identifier: BSL-1.0
#pragma once
// The two collisions that the program shows.

#include "../adapters/url.hpp"
#include "../support/notebook.hpp"

#include <boost/asio/awaitable.hpp>

namespace bank {

// Makes the table fanout_accounts, lets transfers collide on it, and drops it. Notes what happens, and returns whether
// each transfer was applied exactly once. Throws where it could not begin, or not clean up.
boost::asio::awaitable<bool> show_retries(support::notebook& notes, adapters::mysql_url url);

} // namespace bank
