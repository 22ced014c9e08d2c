// SPDX-License-Identifier: BSL-1.0
#pragma once
// The point of the program: one write per video, by each of the strategies.

#include <fanout/observe/observer.hpp>
#include <fanout/observe/progress.hpp>
#include <fanout/observe/recording.hpp>

#include "arguments.hpp"
#include "ledger.hpp"
#include "video.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace snapshot {

// Those who watch the writes, put together by fanout::observe: every strategy has the same ones.
using watchers = fanout::observers<ledger&, fanout::recording&, fanout::progress&>;

// Writes them all, as far as strategy, deadline and cancellation let it, and throws for none of them; `book` knows, which
// is one of `watch`.
// Returns where an adaptive limit ended.
// The caller has reset its coroutine's cancellation state to take total cancellation, and not to throw.
boost::asio::awaitable<std::optional<std::size_t>>
write_all(arguments const& all, std::vector<video> const& videos, snapshot_target& target, ledger& book,
          watchers& watch, std::chrono::steady_clock::time_point program_start);

} // namespace snapshot
