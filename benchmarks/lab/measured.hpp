// SPDX-License-Identifier: BSL-1.0
#pragma once
// What `lab --measure` finds out about a server: how long a call takes that has it to itself, as a histogram, and how
// many calls it serves at once. It is kept in a text file, from which the simulation draws its service times.
//
//     # a comment, as is an empty line
//     fanout-lab-measured 1
//     source mysql
//     capacity 96.4
//     connections 140
//     1024.000 1056.000 17
//     1056.000 1088.000 483
//
// `capacity` is how many calls in flight it took to reach the highest rate: that rate times the mean time of a call.
// `connections` is how many there were, and `source` where it was measured; both are told and not used. Each further
// line is a bucket: that many calls took at least the first and less than the second number of microseconds. Buckets
// ascend, and do not overlap.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace lab {

class measured {
public:
    using duration = std::chrono::nanoseconds;

    struct bucket {
        duration from, to; // from <= time < to
        std::uint64_t calls;
        bool operator==(bucket const&) const = default;
    };

    std::string source;          // one word
    double capacity = 1;         // calls served at once, at least 1
    std::size_t connections = 1; // of the client, while it was measured

    // Counts a call; the bucket that it falls into is at most 3 % wide.
    void add(duration took);
    // One whose bucket is known, behind all that are there.
    void add(bucket const& more);

    std::uint64_t calls() const { return calls_; }
    duration mean() const;
    // The time below which that share of the calls lies, 0 <= share < 1; within a bucket, times are spread evenly.
    // Of a uniform random share it is a time drawn from the histogram. There must be calls.
    duration quantile(double share) const;
    std::vector<bucket> buckets() const;

private:
    struct entry {
        duration to;
        std::uint64_t calls;
    };
    void count_up() const;

    std::map<duration, entry> entries_;
    std::uint64_t calls_ = 0;
    // For quantile(): the buckets, and behind each how many calls it and those before it have. Empty: to be made.
    mutable std::vector<bucket> sorted_;
    mutable std::vector<std::uint64_t> up_to_;
};

void write(std::ostream& out, measured const& m);

// Throws std::runtime_error that begins with `name:line: ` where that line is not as it has to be.
measured read_measured(std::istream& in, std::string const& name);
measured read_measured_file(std::string const& name);

} // namespace lab
