// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes recordings as Chrome trace events: the JSON that Perfetto, speedscope and chrome://tracing open.

#include <fanout/detail/json_writer.hpp>
#include <fanout/detail/trace_process.hpp>
#include <fanout/observe/recording.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <span>
#include <string>

namespace fanout {

/// What things are called in a trace. Any bytes will do: what is not UTF-8 becomes U+FFFD.
struct chrome_trace_options {
    std::function<std::string(std::size_t index)>
        label{};         ///< an input of a recording that has no names of its own;
                         ///< "#<index>" where it is empty
    std::string title{}; ///< the whole
};

/// Writes recordings as one file of Chrome trace events, to be opened in Perfetto (https://ui.perfetto.dev),
/// speedscope (https://www.speedscope.app) or chrome://tracing.
///
///     fanout::recording one, all;
///     co_await fanout::when_all_settled(rows, write, fanout::limit(1), one);
///     co_await fanout::when_all_settled(rows, write, fanout::limit(64), all);
///     fanout::named_recording const both[] = {{"one after another", one}, {"fanned out", all}};
///     std::ofstream file("writes.json");
///     fanout::write_chrome_trace(file, both);
///
/// Each recording is a process, each lane a row, and each attempt a slice of its row, from its start to its
/// end. A child that still ran when the recording ended is a slice to its end, of the state "running". Arrows
/// lead from an attempt to the next one of its input, where both are there. Tracks show what was in flight,
/// queued, and the limit; instants a rejection, an overload, a stop and a cancellation. Speedscope shows the
/// slices only.
///
/// Times are right to the nanosecond. Where slices of a row meet one may seem a tenth of that shorter, for
/// readers that calculate in floating point.
///
/// What a recording dropped is not there; an instant at its beginning and "otherData" say so. Where it has
/// merged steps of what was in flight or queued, the most is shown.
///
/// @param out where to. What is written depends neither on its locale and format nor on the global ones.
/// @param recordings what, in the order of their processes. They are only read.
/// @param o what inputs and the whole are called.
/// @par Exception safety
/// Where `out` fails it stays failed: check it afterwards. What `o.label` throws is passed on, with the file
/// begun.
/// @par Complexity
/// Of n attempts kept O(n log n) time, and O(n) memory for one recording at a time; of the text nothing is
/// kept.
/// @par See also
/// `write_waterfall`; the format: "Trace Event Format" by the Chromium project.
inline void write_chrome_trace(std::ostream& out, std::span<named_recording const> recordings,
                               chrome_trace_options const& o = {}) {
    // Perfetto takes a thread 0, or one of the number of its process, for something else than a row.
    auto const first_tid = (recordings.size() / 1'000 + 1) * 1'000;
    detail::json_writer json(out);
    json.open("").open("traceEvents", '[');
    std::uint64_t last_flow = 0;
    for (std::size_t i = 0; i < recordings.size(); ++i) {
        auto const& own = recordings[i].label;
        detail::trace_process(json, own ? own : o.label, i + 1, first_tid)
            .write(detail::trace_name(recordings[i]), recordings[i].what, last_flow);
    }
    json.close(']').text("displayTimeUnit", "ms").open("otherData");
    if (!o.title.empty()) {
        json.text("title", o.title);
    }
    json.open("recordings", '[');
    for (std::size_t i = 0; i < recordings.size(); ++i) {
        detail::write_trace_summary(json, recordings[i], i + 1);
    }
    json.close(']').close().close();
    out.put('\n');
}

/// Writes one recording; its process is called as the whole is.
///
/// @param out where to
/// @param r what
/// @param o what inputs and the whole are called
/// @par Exception safety, complexity
///   As above.
inline void write_chrome_trace(std::ostream& out, recording const& r, chrome_trace_options const& o = {}) {
    named_recording const one[] = {{o.title, r}};
    write_chrome_trace(out, one, o);
}

} // namespace fanout
