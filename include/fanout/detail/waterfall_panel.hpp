// SPDX-License-Identifier: BSL-1.0
#pragma once

// Puts a waterfall together: title, legend, and panels under one another.

#include <fanout/detail/stats_text.hpp>
#include <fanout/detail/waterfall_axis.hpp>
#include <fanout/detail/waterfall_draw_chart.hpp>
#include <fanout/detail/waterfall_draw_rows.hpp>
#include <fanout/detail/waterfall_legend.hpp>
#include <fanout/detail/waterfall_rows.hpp>
#include <fanout/detail/waterfall_style.hpp>
#include <fanout/detail/waterfall_svg.hpp>
#include <fanout/observe/recording.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <list>
#include <numeric>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace fanout::detail::waterfall {

inline void require_options(std::string_view id, std::size_t width, std::size_t max_rows) {
    auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    auto const other = [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == '_'; };
    if (id.empty() || !letter(id.front()) ||
        !std::all_of(id.begin(), id.end(), [&](char c) { return letter(c) || other(c); })) {
        throw std::invalid_argument(
            "fanout::write_waterfall: id_prefix is a letter, then letters, digits, '-', '_'");
    }
    if (width < 480 || width > 10'000 || max_rows < 2 || max_rows > 1'000) {
        throw std::invalid_argument(
            "fanout::write_waterfall: width is from 480 to 10,000, max_rows from 2 to 1,000");
    }
}

/// "1,000 children: 990 fulfilled, 10 rejected; 12 retries; 5.43 s; parallelism 1.0; at most 64 in flight"
inline std::string facts_of(recording const& r) {
    auto const& t = r.totals();
    auto const ended = t.fulfilled() + t.rejected();
    auto const begun = t.started() - (std::min)(t.started(), t.retried());
    auto const unended = begun - (std::min)(begun, ended);
    auto const children =
        (std::max)({ended + t.not_started() + unended, r.inputs().value_or(0), r.inputs_seen()});
    if (children == 0) {
        return "no children";
    }
    auto text = count_text(children) + (children == 1 ? " child" : " children");
    auto separator = ": ";
    auto const add = [&](std::size_t n, std::string_view what) {
        if (n > 0) {
            text += separator + count_text(n) + ' ' + std::string(what);
            separator = ", ";
        }
    };
    auto const others = t.timed_out() + t.cancelled();
    add(t.fulfilled(), "fulfilled");
    add(t.rejected() - (std::min)(t.rejected(), others), "rejected");
    add(t.timed_out(), "timed out");
    add(t.cancelled(), "cancelled");
    add(unended, "not ended");
    add(children - (std::min)(children, ended + unended), "not started");
    if (t.retried() > 0) {
        text += "; " + count_text(t.retried()) + (t.retried() == 1 ? " retry" : " retries");
    }
    text += "; " + duration_text(r.end());
    if (t.wall_time().count() > 0) {
        text += "; parallelism " + parallelism_text(t.effective_parallelism());
    }
    return text + "; at most " + count_text(t.peak_in_flight()) + " in flight";
}

/// One recording as it is drawn.
struct drawn_panel {
    drawn_panel(named_recording const& n, std::size_t max_rows)
        : name(n.name),
          what(n.what),
          label(n.label),
          rows(n.what, max_rows),
          facts(facts_of(n.what)),
          notes(notes_of()) {}

    std::string notes_of() const {
        std::string text;
        if (rows.per_row() > 1) {
            text = "each row is " + count_text(rows.per_row()) +
                   " inputs; the higher a part of it, the more of them";
        } else if (rows.as_shares()) {
            text = "a bar is as high as its share of the time";
        }
        auto const add = [&text](std::string const& more) { text += (text.empty() ? "" : "; ") + more; };
        if (what.every() > 1) {
            add("1 input in " + count_text(what.every()) + " is drawn");
        }
        if (what.dropped() > 0) {
            add(count_text(what.dropped()) + (what.dropped() == 1 ? " attempt was" : " attempts were") +
                " not recorded");
        }
        return text;
    }

    std::string name;
    recording const& what;
    std::function<std::string(std::size_t)> const& label;
    input_rows rows;
    std::string facts, notes;
};

class picture {
public:
    picture(std::list<drawn_panel> const& panels, std::string_view title,
            std::function<std::string(std::size_t)> const& label, std::string_view id, std::size_t width)
        : panels_(panels),
          title_(title),
          width_(pixels(static_cast<std::int64_t>(width))),
          svg_(body_),
          label_(label),
          frame_{svg_, id, {since_start(1), pixels(64), 0}, total_rows() <= 200} {
        for (auto const& p : panels_) {
            frame_.axis.span = (std::max)(frame_.axis.span, p.what.end());
            for (auto const& row : p.rows.rows()) {
                auto const name = shortened(names_of(p).of(row), 24);
                frame_.axis.left = (std::max)(frame_.axis.left, width_of(name, label_size) + 2 * label_gap);
            }
        }
        frame_.axis.fit(width_ - frame_.axis.left - right_margin);
    }
    picture(picture const&) = delete; // its parts refer to one another
    picture& operator=(picture const&) = delete;

    void write(std::ostream& out) {
        auto y = margin;
        if (!title_.empty()) {
            write_text(svg_, "title ink", margin, y + pixels(16), pixels(17), title_);
            y += pixels(28);
        }
        y = draw_legend(y);
        for (auto const& p : panels_) {
            y = draw_panel(p, y);
        }
        svg_writer whole(out); // the height is known only now
        write_head(whole, y);
        whole.put(body_.view(), "</svg>\n");
    }

private:
    static constexpr centipixel margin = pixels(12), right_margin = pixels(84);

    std::size_t total_rows() const {
        return std::accumulate(panels_.begin(), panels_.end(), std::size_t{0},
                               [](std::size_t n, auto const& p) { return n + p.rows.rows().size(); });
    }

    void write_head(svg_writer& svg, centipixel height) const {
        auto const id = frame_.id;
        svg.put("<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"", id, "\" role=\"img\" aria-labelledby=\"",
                id, "-title ", id, "-desc\" width=\"", in_pixels(width_), "\" height=\"", in_pixels(height),
                "\" viewBox=\"0 0 ", in_pixels(width_), " ", in_pixels(height), "\">\n<title id=\"", id,
                "-title\">", raw_text{title_.empty() ? "What each child of a fan-out did over time" : title_},
                "</title>\n<desc id=\"", id, "-desc\">");
        for (auto const& p : panels_) {
            svg.put(raw_text{p.name}, p.name.empty() ? "" : ": ", raw_text{p.facts}, ". ");
        }
        svg.put("</desc>\n");
        write_style(svg, id);
        write_symbols(svg, id);
        svg.put("<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n");
    }

    /// Only what there is in the picture.
    centipixel draw_legend(centipixel y) {
        auto const has = [this](auto what) { return std::any_of(panels_.begin(), panels_.end(), what); };
        auto const does = [&has](doing what) {
            return has([what](drawn_panel const& p) { return p.rows.does(what); });
        };
        legend_drawing legend(svg_, frame_.id, margin, width_ - margin, y);
        if (does(doing::waiting)) {
            legend.bar(class_of(doing::waiting), "waits for a permit");
        }
        if (has([](drawn_panel const& p) { return p.rows.does_anything(); })) {
            legend.bar(class_of(doing::fulfilled), "runs");
        }
        if (has([](drawn_panel const& p) { return p.rows.as_shares(); })) {
            legend.line("some ok", "at least one runs");
        }
        if (does(doing::again)) {
            legend.bar(class_of(doing::again), "rejected, to run again");
        }
        if (has([](drawn_panel const& p) { return !p.rows.as_shares() && p.rows.does(doing::again); })) {
            legend.glyph("retry again", "retry", "retry");
        }
        if (does(doing::sleeping)) {
            legend.line("some sleep", "sleeps before its retry");
        }
        for (std::size_t i = 0; i < endings; ++i) {
            auto const end = static_cast<ending>(i);
            if (has([end](drawn_panel const& p) { return p.rows.ended(end) > 0; })) {
                legend.glyph("end " + std::string(class_of(end)), class_of(end), word_of(end));
            }
        }
        return legend.end();
    }

    input_names names_of(drawn_panel const& p) const noexcept { return {p.label ? p.label : label_}; }

    centipixel draw_panel(drawn_panel const& p, centipixel y) {
        svg_.put("<g class=\"panel\">\n");
        y += pixels(8);
        for (auto const& [text, classes, size] :
             {std::tuple(std::string_view(p.name), "name ink", pixels(14)),
              std::tuple(std::string_view(p.facts), "facts ink", pixels(12)),
              std::tuple(std::string_view(p.notes), "notes faint", pixels(11))}) {
            if (!text.empty()) {
                y += size + pixels(4);
                write_text(svg_, classes, margin, y, size, text);
            }
        }
        y += pixels(8);

        marks_drawing marks(frame_, p.what);
        row_drawing rows(frame_, p.rows, names_of(p), y + marks.height());
        auto const chart_top = rows.bottom() + pixels(10);
        auto const bottom = chart_top + chart_drawing::height;
        auto const ticks = draw_grid(y + marks.height(), bottom);
        marks.draw_ends(y, bottom);
        rows.draw(most_shapes / panels_.size());
        chart_drawing(frame_, p.what, chart_top).draw();
        marks.draw(y, bottom);
        for (auto const& t : ticks) {
            write_text(svg_, "label faint", frame_.axis.at(t.at), bottom + pixels(13), label_size, t.text,
                       "middle");
        }
        svg_.put("</g>\n");
        return bottom + pixels(26);
    }

    std::vector<time_tick> draw_grid(centipixel top, centipixel bottom) {
        auto const longest =
            std::accumulate(panels_.begin(), panels_.end(), since_start(0),
                            [](since_start t, auto const& p) { return (std::max)(t, p.what.end()); });
        auto out = ticks(longest, frame_.axis.width / pixels(90));
        svg_.put("<path class=\"grid\" d=\"");
        for (auto const& t : out) {
            svg_.put("M", in_pixels(frame_.axis.at(t.at)), " ", in_pixels(top), "V", in_pixels(bottom));
        }
        svg_.put("\"/>\n");
        return out;
    }

    static constexpr std::size_t most_shapes = 8'000; ///< some 20 bytes each

    std::list<drawn_panel> const& panels_;
    std::string_view title_;
    centipixel width_;
    std::ostringstream body_;
    svg_writer svg_;
    std::function<std::string(std::size_t)> const& label_;
    picture_frame frame_;
};

} // namespace fanout::detail::waterfall
