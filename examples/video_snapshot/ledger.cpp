// SPDX-License-Identifier: BSL-1.0
#include "ledger.hpp"

#include "transient.hpp"

#include <algorithm>

namespace snapshot {

void ledger::on_settled(fanout::settled_event const& e) {
    stats::on_settled(e);
    // A try that will be repeated is written down too: the fan-out may be stopped before it is.
    entries_[e.index] = {e.what, e.what == fanout::state::fulfilled ? std::string() : e.error.message()};
    if (e.what == fanout::state::rejected) {
        first_rejected_ = std::min(first_rejected_, e.index);
        throttled_ += is_throttled(e.error) ? 1 : 0;
    }
}

void ledger::explain(std::size_t index, std::exception_ptr const& thrown) {
    if (thrown && entries_[index].what == fanout::state::rejected)
        entries_[index].why = describe(thrown);
}

void ledger::explain_first(std::exception_ptr const& thrown) {
    if (first_rejected_ < entries_.size())
        explain(first_rejected_, thrown);
}

} // namespace snapshot
