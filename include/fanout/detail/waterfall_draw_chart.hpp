// SPDX-License-Identifier: BSL-1.0
#pragma once

// Draws what belongs to a whole panel of a waterfall: in-flight against limit over time, the time axis, and what
// happened to the fan-out.

#include <fanout/detail/stats_text.hpp>
#include <fanout/detail/waterfall_axis.hpp>
#include <fanout/detail/waterfall_draw_rows.hpp>
#include <fanout/detail/waterfall_style.hpp>
#include <fanout/detail/waterfall_svg.hpp>
#include <fanout/observe/recording.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fanout::detail::waterfall {

/// What was in flight from x on, on average and at most; levels that share a pixel are one.
struct drawn_level {
    centipixel x;
    double mean;
    std::size_t most;
    std::optional<std::size_t> limit;
};

/// Where the recording joined levels, the most of them counts all the time: it does not say how long each was.
inline std::vector<drawn_level> drawn_levels(recording const& r, time_axis const& axis) {
    std::vector<drawn_level> out;
    since_start weighed{}; // the time of the last one in `out`
    auto const& levels = r.levels();
    for (std::size_t i = 0; i < levels.size(); ++i) {
        auto const& l = levels[i];
        auto const lasts = (i + 1 < levels.size() ? levels[i + 1].from : r.end()) - l.from;
        auto const x = axis.at(l.from);
        auto const in_flight = static_cast<double>(l.in_flight_most);
        if (out.empty() || x - out.back().x >= pixels(1)) {
            out.push_back({x, in_flight, l.in_flight_most, l.limit});
            weighed = lasts;
            continue;
        }
        auto& to = out.back();
        to.most = (std::max)(to.most, l.in_flight_most);
        to.limit = l.limit;
        auto const end = axis.at(l.from + lasts), pixel = to.x + pixels(1);
        // What of it is in the pixel: to the pixel's right it stands alone.
        auto const inside = end > pixel ? lasts * (pixel - x) / (end - x) : lasts;
        weighed += inside;
        if (weighed.count() > 0) {
            to.mean += (in_flight - to.mean) * static_cast<double>(inside.count()) /
                       static_cast<double>(weighed.count());
        }
        if (end > pixel) {
            out.push_back({pixel, in_flight, l.in_flight_most, l.limit});
            weighed = lasts - inside;
        }
    }
    return out;
}

/// In-flight as an area, the most within a pixel above the mean of it, and the limit as a line.
class chart_drawing {
public:
    static constexpr centipixel height = pixels(44);

    chart_drawing(picture_frame const& frame, recording const& r, centipixel top)
        : frame_(frame),
          svg_(frame.svg),
          levels_(drawn_levels(r, frame.axis)),
          top_(top),
          right_(frame.axis.at(r.end())) {
        std::size_t limits = 0;
        for (auto const& l : levels_) {
            peak_ = (std::max)(peak_, l.most);
            limits = (std::max)(limits, l.limit.value_or(0));
        }
        // A limit far above would make what is in flight a line at the bottom.
        full_ = (std::max)({limits <= 4 * peak_ ? limits : 0, peak_, std::size_t{1}});
    }

    void draw() {
        svg_.put("<g class=\"chart\">");
        draw_area("most ok", [](drawn_level const& l) { return static_cast<double>(l.most); });
        draw_area("mean ok", [](drawn_level const& l) { return l.mean; });
        draw_limit();
        svg_.put("<path class=\"base grid\" d=\"M", in_pixels(frame_.axis.left), " ",
                 in_pixels(top_ + height), "h", in_pixels(frame_.axis.width), "\"/></g>\n");
        auto const x = frame_.axis.left - label_gap;
        write_text(svg_, "label faint", x, top_ + pixels(8), label_size, count_text(full_), "end");
        write_text(svg_, "label faint", x, top_ + height / 2 + pixels(4), label_size, "in flight", "end");
        write_text(svg_, "label faint", x, top_ + height, label_size, "0", "end");
    }

private:
    centipixel y_of(double n) const noexcept {
        return top_ + height - std::llround(static_cast<double>(height) * n / static_cast<double>(full_));
    }

    centipixel y_of(std::size_t n) const noexcept { return y_of(static_cast<double>(n)); }

    template <class Value>
    void draw_area(std::string_view classes, Value value) {
        if (levels_.empty()) {
            return;
        }
        auto x = levels_.front().x, y = y_of(0.0);
        svg_.put("<path class=\"", classes, "\" d=\"M", in_pixels(x), " ", in_pixels(y));
        for (auto const& l : levels_) {
            if (auto const next = y_of(value(l)); next != y) {
                go(x, l.x);
                svg_.put("V", in_pixels(next));
                y = next;
            }
        }
        go(x, right_);
        svg_.put(y == y_of(0.0) ? "" : "V" + std::string(in_pixels(y_of(0.0))), "z\"/>");
    }

    void go(centipixel& x, centipixel to) {
        if (to != x) {
            svg_.put("H", in_pixels(to));
            x = to;
        }
    }

    void draw_limit() {
        std::string path;
        std::optional<std::size_t> now;
        auto const add = [&path](char command, centipixel length) {
            path += command;
            path += in_pixels(length).view();
        };
        for (auto const& l : levels_) {
            auto const next = l.limit && *l.limit <= full_ ? l.limit : std::nullopt;
            if (next == now) {
                continue;
            }
            if (now) {
                add('H', l.x);
            }
            if (next && now) {
                add('V', y_of(*next));
            } else if (next) {
                add('M', l.x);
                add(' ', y_of(*next));
            }
            now = next;
        }
        if (now) {
            add('H', right_);
        }
        if (!path.empty()) {
            svg_.put("<path class=\"limit ink\" d=\"", path, "\"/>");
        }
        if (auto const last = levels_.empty() ? std::nullopt : levels_.back().limit) {
            auto const y = *last <= full_ ? y_of(*last) : top_;
            write_text(svg_, "label ink", right_ + pixels(4), (std::max)(y, top_) + pixels(8), label_size,
                       "limit " + count_text(*last) + (*last <= full_ ? "" : " \xE2\x86\x91"));
        }
    }

    picture_frame const& frame_;
    svg_writer& svg_;
    std::vector<drawn_level> levels_;
    centipixel top_, right_;
    std::size_t peak_ = 0, full_ = 1;
};

/// Lines where the fan-out was stopped, cancelled, and done, and what they mean.
class marks_drawing {
public:
    static constexpr centipixel line_height = pixels(13);

    marks_drawing(picture_frame const& frame, recording const& r) : frame_(frame), svg_(frame.svg) {
        for (auto const& m : r.marks()) {
            auto const text = text_of(m);
            if (m.what == recording::mark::begun && m.at.count() == 0) {
                continue;
            }
            // Stopped and cancelled at once: that it was cancelled says both.
            if (m.what == recording::mark::cancelled && !marks_.empty() &&
                marks_.back().x == frame.axis.at(m.at) && marks_.back().classes == "stop") {
                marks_.pop_back();
            }
            auto const x = frame.axis.at(m.at);
            if (marks_.empty() || marks_.back().classes != text.first || x - marks_.back().x >= pixels(1)) {
                marks_.push_back({x, text.first, text.second, lines});
            }
        }
        if (!r.marks().empty() && r.marks().back().what == recording::mark::finished) {
            marks_.back().text = "done: " + duration_text(r.end());
        }
        place();
    }

    /// What the texts need above the rows.
    centipixel height() const noexcept { return line_height * static_cast<centipixel>(used_); }

    /// The lines at ends of fan-outs; rows are drawn over them.
    void draw_ends(centipixel top, centipixel bottom) {
        for (auto const& m : marks_) {
            if (m.classes == "done") {
                draw_line(m, "done faint", top, bottom);
            }
        }
    }

    /// All else; it is drawn over the rows.
    void draw(centipixel top, centipixel bottom) {
        for (auto const& m : marks_) {
            if (m.classes != "done") {
                draw_line(m, std::string(m.classes) + " rejected", top, bottom);
            }
        }
        for (auto const& m : marks_) {
            if (m.line < lines) {
                write_text(svg_, m.classes == "done" ? "label faint" : "label ink",
                           m.x + (m.to_the_left ? -pixels(4) : pixels(4)), text_top(m, top) + pixels(9),
                           label_size, m.text, m.to_the_left ? "end" : "start");
            }
        }
    }

private:
    static constexpr std::size_t lines = 3;

    struct placed_mark {
        centipixel x;
        std::string_view classes;
        std::string text;
        std::size_t line; ///< of its text; `lines`: there is no room for it
        bool to_the_left = false;
    };

    static std::pair<std::string_view, std::string> text_of(recording::mark const& m) {
        constexpr std::array<std::string_view, 4> reasons{"a child was rejected", "by the caller",
                                                          "by its deadline", "its source failed"};
        auto const why = std::string(reasons[static_cast<std::size_t>(m.why)]);
        switch (m.what) {
        case recording::mark::stopped: return {"stop", "stopped: " + why};
        case recording::mark::cancelled: return {"cancel", "cancelled: " + why};
        case recording::mark::begun: return {"done", ""};
        case recording::mark::finished: break;
        }
        return {"done", ""};
    }

    centipixel text_top(placed_mark const& m, centipixel top) const noexcept {
        return top + line_height * static_cast<centipixel>((std::min)(m.line, used_));
    }

    void draw_line(placed_mark const& m, std::string_view classes, centipixel top, centipixel bottom) {
        svg_.put("<path class=\"", classes, "\" d=\"M", in_pixels(m.x), " ", in_pixels(text_top(m, top)), "V",
                 in_pixels(bottom), "\"/>\n");
    }

    /// Each text on the first line where it does not run into another.
    void place() {
        std::array<std::vector<std::pair<centipixel, centipixel>>, lines> taken;
        for (auto& m : marks_) {
            if (m.text.empty()) {
                continue;
            }
            auto const width = width_of(m.text, label_size) + pixels(8);
            m.to_the_left = m.x + width > frame_.axis.right() + pixels(84);
            auto const from = m.to_the_left ? m.x - width : m.x, until = from + width;
            for (std::size_t i = 0; i < lines && m.line == lines; ++i) {
                if (std::none_of(taken[i].begin(), taken[i].end(),
                                 [&](auto const& t) { return t.first < until && from < t.second; })) {
                    taken[i].emplace_back(from, until);
                    m.line = i;
                    used_ = (std::max)(used_, i + 1);
                }
            }
        }
    }

    picture_frame const& frame_;
    svg_writer& svg_;
    std::vector<placed_mark> marks_;
    std::size_t used_ = 0;
};

} // namespace fanout::detail::waterfall
