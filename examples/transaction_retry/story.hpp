// SPDX-License-Identifier: BSL-1.0
#pragma once
// Tells what happens to the transfers, in order: an observer of the fan-out that runs them.

#include <fanout/observe/observer.hpp>

#include "../support/notebook.hpp"
#include "signals.hpp"
#include "transaction.hpp"

#include <boost/mysql/common_server_errc.hpp>

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace bank {

struct transfer {
    std::string name;
    int from;
    int to;
    std::int64_t amount;
};

struct totals {
    int transfers = 0;
    int committed = 0;
    int deadlocks = 0;     // 1213
    int lock_timeouts = 0; // 1205
    int retries = 0;
};

inline void tell(support::notebook& notes, std::string_view line) {
    notes.say() << "  " << line << std::endl;
}

class story {
public:
    story(support::notebook& notes, std::vector<transfer> const& transfers, totals& count,
          rendezvous& first_locks, gate& lock_timed_out)
        : notes_(&notes),
          transfers_(&transfers),
          count_(&count),
          first_locks_(&first_locks),
          lock_timed_out_(&lock_timed_out) {}

    void on_started(fanout::started_event const& e) const { tell(*notes_, who(e) + "begins"); }

    void on_settled(fanout::settled_event const& e) const {
        first_locks_->call_off(); // who has ended will not come to it
        if (e.what == fanout::state::fulfilled) {
            ++count_->committed;
            tell(*notes_, who(e) + "committed");
        } else if (e.error == mysql::common_server_errc::er_lock_deadlock) {
            ++count_->deadlocks;
            tell(*notes_, who(e) + "error 1213, deadlock: InnoDB has rolled back the whole transaction");
        } else if (e.error == mysql::common_server_errc::er_lock_wait_timeout) {
            ++count_->lock_timeouts;
            tell(*notes_, who(e) +
                              "error 1205, lock wait timeout: InnoDB has undone the statement only, ROLLBACK "
                              "the rest");
            lock_timed_out_->open();
        } else {
            tell(*notes_, who(e) + fanout::to_string(e.what));
        }
    }

    void on_retry(fanout::retry_event const& e) const {
        ++count_->retries;
        auto const pause = std::chrono::duration_cast<std::chrono::milliseconds>(e.delay);
        tell(*notes_, who(e) + "will be run again as a whole, in " + std::to_string(pause.count()) + " ms");
    }

    void on_finished(fanout::finished_event const&) const { lock_timed_out_->open(); }

private:
    template <class Event>
    std::string who(Event const& e) const {
        return (*transfers_)[e.index].name + ", attempt " + std::to_string(e.attempt) + ": ";
    }

    support::notebook* notes_;
    std::vector<transfer> const* transfers_;
    totals* count_;
    rendezvous* first_locks_;
    gate* lock_timed_out_;
};

} // namespace bank
