// SPDX-License-Identifier: BSL-1.0
#pragma once
// The job from end to end: read the counts, see what is recorded already, write the rest, read back.

#include <fanout/observe/recording.hpp>

#include "arguments.hpp"
#include "interruption.hpp"
#include "summary.hpp"
#include "video.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace snapshot {

struct report {
    summary numbers;
    std::string problem;        // what the reader should know beside the numbers, as that reading back failed
    std::vector<video> pending; // what there was to write, by the index of its write
};

// Throws where nothing was written: a server refused, a table is not there, an interruption came too early.
boost::asio::awaitable<report> run_job(arguments const& all, video_source& source, snapshot_target& target,
                                       interruption& stop, fanout::recording& recorded,
                                       std::chrono::steady_clock::time_point program_start);

} // namespace snapshot
