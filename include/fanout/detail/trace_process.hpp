// SPDX-License-Identifier: BSL-1.0
#pragma once

// A recording as Chrome trace events: the slices of its rows, and what else there is to be seen of it.

#include <fanout/detail/json_writer.hpp>
#include <fanout/detail/number_text.hpp>
#include <fanout/observe/recording.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fanout::detail {

/// A time in tenths of a nanosecond: finer than the clock, for what readers get wrong otherwise.
using trace_time = std::int64_t;

/// In microseconds, exact.
inline std::string trace_time_text(trace_time t) {
    auto out = std::string(microseconds(since_start(t / 10)));
    return t % 10 == 0 ? out : out + static_cast<char>('0' + t % 10);
}

/// An attempt as a slice of its lane's row.
struct trace_slice {
    recording::attempt const* what;
    std::uint64_t flow_in = 0, flow_out = 0; ///< arrows from the attempt before, to the one after; 0: none
    trace_time begin = 0, end = 0;
};

/// Whether a reader that adds start and duration, as they stand or from the start of the row, gets past the
/// end.
inline bool adds_up_past_end(trace_slice const& s, trace_time row) {
    auto const us = [](trace_time t) { return static_cast<double>(t) / 10'000.0; };
    auto const lasts = us(s.end - s.begin);
    return us(s.begin) + lasts > us(s.end) || (us(s.begin) - us(row)) + lasts > us(s.end) - us(row);
}

/// Begins and ends slices, which come in the order of their starts, so that those of one row do not seem to
/// overlap where they meet.
///
/// Speedscope adds up floating-point numbers, and where it gets past the next start it drops what follows.
/// And of two slices that start at the same time it takes the longer one for the parent of the other. A tenth
/// of a nanosecond mends both, and Perfetto, which rounds to nanoseconds, has the very times.
inline void place(std::vector<trace_slice>& slices) {
    struct row {
        trace_time begin;
        trace_slice* last;
    };
    std::map<std::uint32_t, row> rows;
    for (auto& s : slices) {
        s.begin = 10 * s.what->start.count();
        s.end = 10 * s.what->end.count();
        auto const [at, is_first] = rows.try_emplace(s.what->lane, row{s.begin, &s});
        auto& last = *std::exchange(at->second.last, &s);
        if (is_first || last.what->end != s.what->start) {
            continue;
        }
        if (last.begin == last.end) {
            s.begin += s.end > s.begin ? 1 : 0;
        } else if (adds_up_past_end(last, at->second.begin)) {
            --last.end;
        }
    }
}

/// The slices of attempts, which are given by index and number, in the order of their starts. Flows get the
/// numbers from `last_flow` + 1 on.
inline std::vector<trace_slice> trace_slices(std::vector<recording::attempt> const& attempts,
                                             std::uint64_t& last_flow) {
    std::vector<trace_slice> out;
    out.reserve(attempts.size());
    for (auto const& a : attempts) {
        auto const follows =
            !out.empty() && out.back().what->index == a.index && out.back().what->number + 1 == a.number;
        auto const flow = follows ? out.back().flow_out = ++last_flow : 0;
        out.push_back({&a, flow});
    }
    // Of what starts at the same time an attempt comes before the next one of its input, and on a row what
    // takes no time before what does.
    std::sort(out.begin(), out.end(), [](trace_slice const& a, trace_slice const& b) {
        auto const key = [](recording::attempt const& w) {
            return std::tie(w.start, w.end, w.number, w.index);
        };
        return key(*a.what) < key(*b.what);
    });
    place(out);
    return out;
}

/// What the colour of a slice is called in chrome://tracing; the others ignore it.
inline std::string_view trace_colour(recording::attempt const& a) {
    if (a.running) {
        return "grey";
    }
    switch (a.what) {
    case state::fulfilled: return "good";
    case state::rejected: return "terrible";
    case state::timed_out: return "bad";
    case state::cancelled:
    case state::not_started: break;
    }
    return "generic_work";
}

inline std::string trace_text(recording::mark const& m) {
    if (m.what == recording::mark::begun || m.what == recording::mark::finished) {
        return m.what == recording::mark::begun ? "begun" : "finished";
    }
    auto const what = std::string(m.what == recording::mark::cancelled ? "cancel: " : "stop: ");
    switch (m.why) {
    case stop_reason::rejection: return what + "a child was rejected";
    case stop_reason::caller: return what + "by the caller";
    case stop_reason::deadline: return what + "the deadline";
    case stop_reason::source: return what + "the source failed";
    }
    return what;
}

/// What a reader must know: what is not there. Empty where all is.
inline std::string trace_gaps(recording const& r) {
    if (r.dropped() == 0) {
        return {};
    }
    auto const shown = "1 of " + std::to_string(r.every()) +
                       " inputs is shown, and some of those that were rejected or run again; ";
    return (r.every() > 1 ? shown : "") + "attempts not in this file: " + std::to_string(r.dropped());
}

/// Writes the events of one recording, as one process.
class trace_process {
public:
    using labels = std::function<std::string(std::size_t index)>;

    trace_process(json_writer& json, labels const& l, std::size_t pid, std::size_t first_tid)
        : json_(&json), labels_(&l), pid_(pid), first_tid_(first_tid) {}

    void write(std::string_view name, recording const& r, std::uint64_t& last_flow) {
        metadata("process_name", pid_).text("name", name).close().close();
        metadata("process_sort_index", pid_).number("sort_index", pid_).close().close();
        if (auto const gaps = trace_gaps(r); !gaps.empty()) {
            instant(gaps, "p", pid_, {}).close();
        }
        for (auto const& m : r.marks()) {
            // The first beginning and the end are where the file begins and ends.
            if (m.what != recording::mark::finished &&
                (m.what != recording::mark::begun || &m != &r.marks().front())) {
                instant(trace_text(m), "p", pid_, m.at).close();
            }
        }
        counters(r);
        std::set<std::uint32_t> rows;
        auto const attempts = r.attempts();
        for (auto const& s : trace_slices(attempts, last_flow)) {
            if (!json_->good()) {
                return;
            }
            if (rows.insert(s.what->lane).second) {
                row(s.what->lane);
            }
            slice(s);
        }
    }

private:
    std::size_t tid(std::uint32_t lane) const { return first_tid_ + lane; }

    json_writer& event(char const* phase, std::string_view name, std::size_t tid) {
        return json_->open("").text("ph", phase).number("pid", pid_).number("tid", tid).text("name", name);
    }
    json_writer& metadata(std::string_view name, std::size_t tid) {
        return event("M", name, tid).open("args");
    }
    json_writer& instant(std::string_view name, char const* scope, std::size_t tid, since_start at) {
        return event("i", name, tid).text("cat", "fanout").text("s", scope).time("ts", at);
    }

    void row(std::uint32_t lane) {
        metadata("thread_name", tid(lane)).text("name", "lane " + std::to_string(lane)).close().close();
        metadata("thread_sort_index", tid(lane)).number("sort_index", lane).close().close();
    }

    /// Each on a track of its own, and only where it changes.
    void counters(recording const& r) {
        std::optional<std::size_t> in_flight, queued, limit;
        for (auto const& l : r.levels()) {
            counter("in_flight", "children", l.in_flight_most, in_flight, l.from);
            counter("queued", "inputs", l.queued_most, queued, l.from);
            if (l.limit) {
                counter("limit", "children", *l.limit, limit, l.from);
            }
        }
    }
    void counter(std::string_view name, std::string_view unit, std::size_t value,
                 std::optional<std::size_t>& last, since_start at) {
        if (last != value) {
            last = value;
            event("C", name, pid_).time("ts", at).open("args").number(unit, value).close().close();
        }
    }

    void slice(trace_slice const& s) {
        auto const& a = *s.what;
        event("X", label(a), tid(a.lane)).text("cat", "attempt").raw("ts", trace_time_text(s.begin));
        json_->raw("dur", trace_time_text(s.end - s.begin)).text("cname", trace_colour(a)).open("args");
        json_->number("index", a.index).number("attempt", a.number);
        json_->text("state", a.running ? "running" : to_string(a.what));
        error(a).time("waited_us", a.start - a.ready).close().close();
        // Both ends come behind the slice, since Perfetto binds them to the one that is open when it reads
        // them, and lie inside, since chrome://tracing takes the point where two slices meet for a part of
        // the first.
        auto const inside = (std::min)(trace_time{10}, (s.end - s.begin) / 2);
        flow("f", s.flow_in, a.lane, s.begin + inside);
        flow("s", s.flow_out, a.lane, s.end - inside);
        if (!a.running && (a.what == state::rejected || a.what == state::timed_out)) {
            happened(a, to_string(a.what));
        }
        if (a.overloaded) {
            happened(a, "overload");
        }
    }
    void flow(char const* phase, std::uint64_t id, std::uint32_t lane, trace_time at) {
        if (id != 0) {
            event(phase, "retry", tid(lane))
                .text("cat", "retry")
                .raw("ts", trace_time_text(at))
                .number("id", id);
            (*phase == 'f' ? json_->text("bp", "e") : *json_).close();
        }
    }
    /// At the end of an attempt, on its row.
    void happened(recording::attempt const& a, std::string_view what) {
        instant(what, "t", tid(a.lane), a.end).open("args");
        json_->number("index", a.index).number("attempt", a.number);
        error(a).close().close();
    }
    json_writer& error(recording::attempt const& a) {
        return a.error ? json_->text("error", a.error.message()) : *json_;
    }
    std::string label(recording::attempt const& a) const {
        auto out = *labels_ ? (*labels_)(a.index) : std::string();
        if (out.empty()) {
            out = '#' + std::to_string(a.index);
        }
        return a.number > 1 ? out + " (attempt " + std::to_string(a.number) + ')' : out;
    }

    json_writer* json_;
    labels const* labels_;
    std::size_t pid_, first_tid_;
};

inline std::string_view trace_name(named_recording const& r) { return r.name.empty() ? "fan-out" : r.name; }

/// What the file says of a recording as a whole.
inline void write_trace_summary(json_writer& json, named_recording const& r, std::size_t pid) {
    auto const& of = r.what.totals();
    json.open("").text("name", trace_name(r)).number("pid", pid);
    if (auto const inputs = r.what.inputs()) {
        json.number("inputs", *inputs);
    }
    json.number("attempts", of.started()).number("fulfilled", of.fulfilled());
    json.number("rejected", of.rejected()).number("timed_out", of.timed_out());
    json.number("cancelled", of.cancelled()).number("not_started", of.not_started());
    json.time("wall_us", of.wall_time()).number("every", r.what.every()).number("dropped", r.what.dropped());
    if (auto const gaps = trace_gaps(r.what); !gaps.empty()) {
        json.text("gaps", gaps);
    }
    json.close();
}

} // namespace fanout::detail
