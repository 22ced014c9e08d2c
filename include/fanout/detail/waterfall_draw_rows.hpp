// SPDX-License-Identifier: BSL-1.0
#pragma once

// Draws the rows of a waterfall: bars where a row is one input, shares over time where it is many.

#include <fanout/detail/stats_text.hpp>
#include <fanout/detail/waterfall_axis.hpp>
#include <fanout/detail/waterfall_cells.hpp>
#include <fanout/detail/waterfall_draw_shares.hpp>
#include <fanout/detail/waterfall_rows.hpp>
#include <fanout/detail/waterfall_style.hpp>
#include <fanout/detail/waterfall_svg.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fanout::detail::waterfall {

/// What all panels of a picture share.
struct picture_frame {
    svg_writer& svg;
    std::string_view id;
    time_axis axis;
    bool tooltips; ///< for each row, where they are few
};

/// What the inputs of a panel are called.
struct input_names {
    std::function<std::string(std::size_t)> const& label;

    /// Of one input its name, of several that of the first.
    std::string of(input_row const& row) const {
        return label && row.inputs == 1 ? label(row.first) : '#' + count_text(row.first);
    }
};

inline constexpr centipixel label_size = pixels(10), label_gap = pixels(6);

/// From one row to the next, and the height of its bars.
struct row_size {
    centipixel pitch, bar;
};

inline row_size size_of_rows(std::size_t rows) noexcept {
    if (rows <= 12) {
        return {pixels(20), pixels(14)};
    }
    if (rows <= 30) {
        return {pixels(14), pixels(10)};
    }
    return rows <= 60 ? row_size{pixels(10), pixels(8)} : row_size{pixels(6), pixels(5)};
}

/// Each how many-th row has its label, so that labels stay apart.
inline std::size_t label_every(input_rows const& rows, row_size size) noexcept {
    auto const apart = rows.per_row() > 1 ? pixels(20) : size.pitch < pixels(10) ? pixels(24) : pixels(11);
    for (std::size_t const n : {1U, 2U, 5U}) {
        if (size.pitch * static_cast<centipixel>(n) >= apart) {
            return n;
        }
    }
    return 10;
}

/// "98 fulfilled, 2 rejected"; of one input "fulfilled"
inline std::string text_of(input_row const& row) {
    std::string text;
    for (std::size_t i = 0; i < endings; ++i) {
        if (row.ended[i] > 0) {
            text += text.empty() ? "" : ", ";
            text += row.inputs > 1 ? count_text(row.ended[i]) + ' ' : "";
            text += word_of(static_cast<ending>(i));
        }
    }
    return text;
}

class row_drawing {
public:
    row_drawing(picture_frame const& frame, input_rows const& rows, input_names const& names, centipixel top)
        : frame_(frame),
          svg_(frame.svg),
          rows_(rows),
          names_(names),
          size_(size_of_rows(rows.rows().size())),
          top_(top) {}

    /// Below the last row.
    centipixel bottom() const noexcept {
        auto const lines = rows_.rows().size();
        return top_ + size_.pitch * static_cast<centipixel>(lines) + (rows_.beyond() > 0 ? pixels(16) : 0);
    }

    /// Draws all rows, by at most about `most_shapes` shapes where they are shares.
    void draw(std::size_t most_shapes) {
        auto const every = label_every(rows_, size_);
        auto const few = !rows_.as_shares();
        auto const cells =
            few ? std::vector<std::vector<row_cell>>() : cells_of(rows_, frame_.axis, size_.bar, most_shapes);
        share_drawing shares(svg_, frame_.axis, size_.bar);
        for (std::size_t i = 0; i < rows_.rows().size(); ++i) {
            auto const& row = rows_.rows()[i];
            auto const y = top_ + size_.pitch * static_cast<centipixel>(i) + (size_.pitch - size_.bar) / 2;
            begin(row, y);
            if (few) {
                draw_bars(row, y);
            } else {
                shares.draw(cells[i], y);
            }
            draw_end(row, y + size_.bar / 2);
            svg_.put("</g>\n");
            if (i % every == 0) {
                write_text(svg_, "label faint", frame_.axis.left - label_gap,
                           y + size_.bar / 2 + pixels(7) / 2, (std::min)(label_size, size_.bar + pixels(3)),
                           shortened(names_.of(row), 24), "end");
            }
        }
        if (rows_.beyond() > 0) {
            auto const middle = bottom() - pixels(8);
            write_glyph(svg_, frame_.id, "end not-started", "not-started", frame_.axis.left + pixels(8),
                        middle, pixels(10));
            write_text(svg_, "count faint", frame_.axis.left + pixels(16), middle + pixels(4), label_size,
                       count_text(rows_.beyond()) + " more, not started");
        }
    }

private:
    void begin(input_row const& row, centipixel y) {
        svg_.put("<g class=\"row\" data-first=\"", row.first, "\" data-inputs=\"", row.inputs, "\">");
        if (!frame_.tooltips) {
            return;
        }
        auto text = names_.of(row);
        if (row.inputs > 1) {
            text += " to #" + count_text(row.first + row.inputs - 1);
        }
        auto const ended = text_of(row);
        text += ended.empty() ? "" : ": " + ended;
        if (row.retries > 0) {
            text += "; " + count_text(row.retries) + (row.retries == 1 ? " retry" : " retries");
        }
        svg_.put("<title>", raw_text{text}, "</title>");
        write_rect("hit", frame_.axis.left, y, frame_.axis.width, size_.bar);
        svg_.put("/>");
    }

    /// Leaves the tag open.
    void write_rect(std::string_view classes, centipixel x, centipixel y, centipixel width,
                    centipixel height) {
        svg_.put("<rect class=\"", classes, "\" x=\"", in_pixels(x), "\" y=\"", in_pixels(y), "\" width=\"",
                 in_pixels(width), "\" height=\"", in_pixels(height), "\"");
    }

    void draw_bars(input_row const& row, centipixel y) {
        for_each_phase(row.attempts, [&](doing what, since_start from, since_start until, attempt const& a) {
            auto const left = frame_.axis.at(from), right = frame_.axis.at(until);
            if (what == doing::sleeping) {
                svg_.put("<line class=\"sleep\" x1=\"", in_pixels(left), "\" x2=\"", in_pixels(right),
                         "\" y1=\"", in_pixels(y + size_.bar / 2), "\" y2=\"", in_pixels(y + size_.bar / 2),
                         "\"/>");
                return;
            }
            // A child that took no time ran all the same.
            auto const width = what == doing::waiting ? right - left : (std::max)(right - left, pixels(1));
            if (width > 0) {
                write_rect(class_of(what), left, y, width, size_.bar);
                write_tooltip(what, until - from, a.error);
            }
        });
        for (auto const& a : row.attempts) {
            if (a.retried) {
                auto const size = (std::min)(pixels(11), size_.bar);
                write_glyph(svg_, frame_.id, "retry again", "retry",
                            frame_.axis.at(a.end) + size / 2 + pixels(1), y + size_.bar / 2, size);
            }
        }
    }

    /// Ends the tag of a bar.
    void write_tooltip(doing what, since_start took, error_code const& error) {
        if (!frame_.tooltips) {
            svg_.put("/>");
            return;
        }
        constexpr std::array<std::string_view, doings> texts{
            "fulfilled after ", "has run for ",
            "cancelled after ", "timed out after ",
            "rejected after ",  "to run again, rejected after ",
            "slept for ",       "waited for a permit for "};
        svg_.put("><title>", texts[static_cast<std::size_t>(what)], duration_text(took));
        if (error && what < doing::sleeping) {
            svg_.put(": ", raw_text{error.message()});
        }
        svg_.put("</title></rect>");
    }

    /// The glyph of the worst that became of the inputs, and of how many.
    void draw_end(input_row const& row, centipixel middle) {
        auto const worst = row.worst();
        if (!worst) {
            return;
        }
        auto const size = (std::min)(pixels(10), size_.bar);
        auto const after_retry =
            !row.attempts.empty() && row.attempts.back().retried && row.inputs == 1 ? size : centipixel{0};
        auto const x = frame_.axis.at(row.until) + pixels(4) + size / 2 + after_retry;
        auto const name = class_of(*worst);
        write_glyph(svg_, frame_.id, "end " + std::string(name), name, x, middle, size);
        auto const count = row.ended[static_cast<std::size_t>(*worst)];
        if (row.inputs > 1 && *worst != ending::fulfilled) {
            auto const thinned = rows_.every() > 1 ? "\xE2\x89\xA5" : "";
            write_text(svg_, "count faint", x + size / 2 + pixels(2), middle + pixels(3), pixels(9),
                       thinned + count_text(count));
        }
    }

    picture_frame const& frame_;
    svg_writer& svg_;
    input_rows const& rows_;
    input_names names_;
    row_size size_;
    centipixel top_;
};

} // namespace fanout::detail::waterfall
