// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the snapshot moves, and the two ends it moves between.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace snapshot {

struct video {
    std::string id;
    std::optional<std::int64_t> view_count; // NULL is recorded as NULL
};

// For each video that has an entry for the day: how many. More than one is a doubled video.
using entries_of_day = std::unordered_map<std::string, unsigned>;

class video_source {
public:
    virtual ~video_source() = default;
    virtual boost::asio::awaitable<std::vector<video>> videos() = 0;
};

class snapshot_target {
public:
    virtual ~snapshot_target() = default;

    // Appends today's count to the video's history, unless the day is there already: safe to repeat, whatever became
    // of an earlier try. `v` must outlive the call.
    virtual boost::asio::awaitable<void> record(video const& v) = 0;

    // Reads the target, whole.
    virtual boost::asio::awaitable<entries_of_day> entries() = 0;

    // Where record() must run because it blocks; null where it does not block.
    virtual boost::asio::thread_pool* pool() { return nullptr; }
};

} // namespace snapshot
