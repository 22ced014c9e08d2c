// SPDX-License-Identifier: BSL-1.0
#pragma once
// The command line of video_snapshot.

#include "../adapters/url.hpp"
#include "limit_argument.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace snapshot {

enum class strategy { sequential, when_all, settled, retry };
char const* to_string(strategy s);

struct embedded_arguments {
    std::string file = "video_snapshot.db";
    std::chrono::microseconds latency{5'000};
    double throttle = 0;
    std::uint64_t seed = 1;
    std::optional<std::uint64_t> videos; // of a new file; 1000 where it is not given
};

struct server_arguments {
    adapters::mysql_url mysql;
    adapters::http_url dynamodb;
    std::string table = "VideoTable";
    bool create_table = false;
};

struct arguments {
    strategy how = strategy::retry;
    limit_argument limit;
    std::uint32_t max_attempts = 4;
    std::optional<std::chrono::microseconds> attempt_timeout;
    std::optional<std::chrono::microseconds> deadline;
    std::string day;
    bool json = false;
    bool quiet = false;
    std::optional<std::string> trace, waterfall; // names of files
    std::variant<embedded_arguments, server_arguments> ends;
};

// "sequential", "retry, limit 64"
std::string how_text(arguments const& all);

// The arguments, or the text that --help or --version asked for. Throws usage_error, and touches nothing.
std::variant<arguments, std::string> parse_arguments(int argc, char const* const* argv);

} // namespace snapshot
