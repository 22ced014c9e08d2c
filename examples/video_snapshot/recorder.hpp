// SPDX-License-Identifier: BSL-1.0
#pragma once
// Those who watch the writes.

#include <fanout/observe/observer.hpp>
#include <fanout/observe/progress.hpp>
#include <fanout/observe/recording.hpp>

#include "ledger.hpp"

#include <optional>

namespace snapshot {

// A fanout::recording, where a picture is wanted; else it takes no memory.
class recorder {
public:
    explicit recorder(bool wanted) {
        if (wanted)
            what_.emplace();
    }

    // Null where none is wanted.
    fanout::recording const* recorded() const { return what_ ? &*what_ : nullptr; }

    void on_begun(fanout::begun_event const& e) {
        if (what_)
            what_->on_begun(e);
    }
    void on_limit(fanout::limit_event const& e) {
        if (what_)
            what_->on_limit(e);
    }
    void on_started(fanout::started_event const& e) {
        if (what_)
            what_->on_started(e);
    }
    void on_settled(fanout::settled_event const& e) {
        if (what_)
            what_->on_settled(e);
    }
    void on_retry(fanout::retry_event const& e) {
        if (what_)
            what_->on_retry(e);
    }
    void on_stopped(fanout::stopped_event const& e) {
        if (what_)
            what_->on_stopped(e);
    }
    void on_finished(fanout::finished_event const& e) {
        if (what_)
            what_->on_finished(e);
    }

private:
    std::optional<fanout::recording> what_;
};

// As fanout::observe puts them together: every strategy has the same ones.
using watchers = fanout::observers<ledger&, recorder&, fanout::progress&>;

} // namespace snapshot
