// SPDX-License-Identifier: BSL-1.0
#pragma once
// What became of each video, as the fan-outs tell their observer.

#include <fanout/observe/stats.hpp>
#include <fanout/outcome.hpp>

#include "../adapters/describe.hpp"

#include <exception>
#include <string>
#include <vector>

namespace snapshot {

using adapters::describe;

// Counts as fanout::stats does, and keeps what became of each video, for every strategy alike.
class ledger : public fanout::stats {
public:
    struct entry {
        fanout::state what = fanout::state::not_started;
        std::string why; // where it is not fulfilled
    };

    explicit ledger(std::size_t videos) : entries_(videos) {}

    void on_settled(fanout::settled_event const& e);
    // More words than an error code has.
    void explain(std::size_t index, std::exception_ptr const& thrown);
    // when_all tells one failure, and not whose: it is the first one that a sibling or the clock did not cause.
    void explain_first(std::exception_ptr const& thrown);

    std::vector<entry> const& entries() const { return entries_; }
    // Tries that the target turned away because it was asked too much.
    std::size_t throttled() const { return throttled_; }

private:
    std::vector<entry> entries_;
    std::size_t throttled_ = 0;
    std::size_t first_rejected_ = static_cast<std::size_t>(-1);
};

} // namespace snapshot
