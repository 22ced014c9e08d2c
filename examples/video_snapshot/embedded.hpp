// SPDX-License-Identifier: BSL-1.0
#pragma once
// Source and target in one SQLite file, behind a simulated network: no server needed to see what fan-out is worth.

#include "../adapters/sqlite.hpp"
#include "arguments.hpp"
#include "video.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace snapshot {

class embedded_store final : public video_source, public snapshot_target {
public:
    // Opens the file, or makes it with a table VIDEO. Throws system_error or runtime_error: it is no such file, it is
    // locked, the disk is full …; a file that could not be made whole stays empty, and a later run makes it.
    embedded_store(embedded_arguments const& arguments, std::string day);

    boost::asio::awaitable<std::vector<video>> videos() override;
    boost::asio::awaitable<void> record(video const& v) override;
    boost::asio::awaitable<entries_of_day> entries() override;
    boost::asio::thread_pool* pool() override { return &pool_; }

private:
    std::vector<video> read_videos();
    entries_of_day read_entries();
    void append(video const& v);
    double random_share();

    embedded_arguments arguments_;
    std::string day_;
    std::atomic<std::uint64_t> draws_{0};
    std::mutex mutex_; // of what follows, up to the pool
    std::unique_ptr<adapters::sqlite_connection> db_;
    std::unique_ptr<adapters::sqlite_statement> insert_;
    boost::asio::thread_pool pool_{4}; // last: its threads end first
};

} // namespace snapshot
