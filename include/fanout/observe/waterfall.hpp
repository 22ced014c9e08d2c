// SPDX-License-Identifier: BSL-1.0
#pragma once

// Draws recordings as a picture that needs nothing but a browser: what each input did when, and how many were in
// flight. Several recordings stand under one another on one time axis.

#include <fanout/detail/waterfall_panel.hpp>
#include <fanout/observe/recording.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <list>
#include <ostream>
#include <span>
#include <string>

namespace fanout {

/// How `write_waterfall` draws.
struct waterfall_options {
    /// Stands above the picture. None by default.
    std::string title = {};

    /// What an input is called, in a recording that has no names of its own; "#<index>" by default. Any bytes will do.
    /// Only rows of one input ask for it.
    std::function<std::string(std::size_t index)> label = {};

    /// All ids in the picture begin with it, so that a page can hold several pictures. A letter, then letters,
    /// digits, '-' and '_'.
    std::string id_prefix = "fanout";

    /// In pixels; at least 480. The height follows from the rows.
    std::size_t width = 1'000;

    /// Up to so many inputs have a row each. Of more, 2, 5, 10, 20, … share one, so that there are at most half as many
    /// rows, twice as high. At least 2.
    std::size_t max_rows = 120;
};

/// Draws recordings under one another, on one time axis, as a self-contained SVG: the same work run in sequence above,
/// and fanned out below, shows at a glance what was gained.
///
///     fanout::named_recording const panels[] = {{"one after another", sequential}, {"64 at once", fanned}};
///     std::ofstream file("writes.svg");
///     fanout::write_waterfall(file, panels, {.title = "1000 writes"});
///
/// A row is an input, in the order of the inputs: hatched while it waits for a permit, solid while it runs, a thin line
/// while it sleeps before a retry; a mark for each retry, a colour and a glyph for its end. Where inputs share a row,
/// its height is their number: the solid part says how many of them ran, the hatched one how many waited, and the glyph
/// is that of the worst end, with its count. What the recording did not keep is said in the picture. Below the rows: how
/// many were in flight against the limit, and lines where the fan-out was stopped, cancelled and done.
///
/// The picture has no script and refers to nothing outside of it. Colours follow the reader's light or dark scheme. The
/// same recordings give the same bytes in every locale, as far as the messages of their errors do. Of 10,000 inputs it
/// has less than 300 kB.
///
/// @param out gets the picture; where it fails it is left in that state: look at it when all is written
/// @param panels some ten at most
/// @param o how
/// @throws std::invalid_argument for options out of range
/// @par Thread safety
///   As `recording`: when the fan-outs have completed.
/// @par Exception safety
///   Where a label throws, nothing was written.
/// @par Complexity
///   A copy of the attempts, and time for each of them in each column of 2 pixels that it spans.
inline void write_waterfall(std::ostream& out, std::span<named_recording const> panels,
                            waterfall_options const& o = {}) {
    detail::waterfall::require_options(o.id_prefix, o.width, o.max_rows);
    std::list<detail::waterfall::drawn_panel> drawn; // they stay where they are
    for (auto const& p : panels) {
        drawn.emplace_back(p, o.max_rows);
    }
    detail::waterfall::picture(drawn, o.title, o.label, o.id_prefix, o.width).write(out);
}

/// Draws one recording, without a name.
///
/// @param out gets the picture
/// @param what is drawn
/// @param o how
/// @throws std::invalid_argument for options out of range
inline void write_waterfall(std::ostream& out, recording const& what, waterfall_options const& o = {}) {
    named_recording const panel{{}, what};
    write_waterfall(out, std::span(&panel, 1), o);
}

} // namespace fanout
