// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a run came to: the numbers, which add up to the number of videos, and how they are printed.

#include "arguments.hpp"
#include "ledger.hpp"
#include "video.hpp"

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace snapshot {

struct missing_video {
    std::string id;
    std::string why;
};

struct summary {
    std::size_t videos = 0;
    std::size_t already = 0; // recorded before this run; part of fulfilled
    std::size_t fulfilled = 0;
    std::vector<missing_video> rejected;
    std::vector<std::string> not_started;
    std::optional<std::vector<std::string>> doubled; // nullopt: the target could not be read back
    double seconds = 0;
    double parallelism = 0;
    std::size_t attempts = 0, retries = 0, peak_in_flight = 0;
    struct {
        double p50 = 0, p90 = 0, p99 = 0, max = 0;
    } latency;                 // of a single try, in seconds
    double waited = 0;         // all tries together, before they started
    std::string account;       // what fanout::stats tells of the writes; empty where there were none
    std::size_t throttled = 0; // tries that were answered so
    std::optional<std::size_t> limit_at_end; // of an adaptive limit, where anything was written
    long peak_memory_kib = 0;

    bool all_recorded() const { return fulfilled == videos && doubled && doubled->empty(); }
};

// `before` and `after` are the target as it was read before and after the writes (`after` is null if that failed).
// What the target holds afterwards decides; what a write reported, only where it cannot be read.
summary make_summary(std::vector<video> const& pending, ledger const& book, std::size_t already,
                     entries_of_day const* after);

std::string last_line(summary const& s);
void print_text(std::ostream& out, summary const& s, arguments const& all);
void print_json(std::ostream& out, summary const& s, arguments const& all);

} // namespace snapshot
