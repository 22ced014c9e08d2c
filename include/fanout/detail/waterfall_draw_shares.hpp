// SPDX-License-Identifier: BSL-1.0
#pragma once

// Draws a row of a waterfall that stands for many inputs: the share of them that ran, slept and waited over time.

#include <fanout/detail/waterfall_axis.hpp>
#include <fanout/detail/waterfall_cells.hpp>
#include <fanout/detail/waterfall_rows.hpp>
#include <fanout/detail/waterfall_style.hpp>
#include <fanout/detail/waterfall_svg.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace fanout::detail::waterfall {

/// A path of boxes for each kind of doing, and lines where a share is too small to be seen.
class share_drawing {
public:
    share_drawing(svg_writer& svg, time_axis const& axis, centipixel height)
        : svg_(svg), axis_(axis), height_(height) {}

    void draw(std::vector<row_cell> const& cells, centipixel y) {
        auto const stacked = [](row_cell const& c, std::size_t n) {
            return std::accumulate(c.height.begin(), c.height.begin() + static_cast<std::ptrdiff_t>(n),
                                   centipixel{0});
        };
        auto const bottom = y + height_;
        for (std::size_t k = 0; k < doings; ++k) {
            for (auto const& c : cells) {
                add_box(c, bottom - stacked(c, k), c.height[k]);
            }
            end_path(class_of(static_cast<doing>(k)));
        }
        constexpr auto running = static_cast<std::size_t>(doing::sleeping);
        for (auto const& c : cells) {
            if (!c.runs && c.sleeps && c.height[running] < pixels(1)) {
                add_box(c, bottom, pixels(1));
            }
        }
        end_path("some sleep");
        for (auto const& c : cells) {
            if (c.runs && stacked(c, running) < some) {
                add_box(c, bottom, some);
            }
        }
        end_path("some ok");
    }

private:
    static constexpr centipixel some = pixels(2);

    /// Adds a box to the path, from its lower left corner. Moves are relative: that is shorter.
    void add_box(row_cell const& c, centipixel bottom, centipixel height) {
        if (height <= 0) {
            return;
        }
        auto const add = [this](char command, centipixel length) {
            path_ += command;
            path_ += in_pixels(length).view();
        };
        auto const left = axis_.left + axis_.column * static_cast<centipixel>(c.from);
        auto const width = axis_.column * static_cast<centipixel>(c.until - c.from);
        auto const first = path_.empty();
        add(first ? 'M' : 'm', first ? left : left - x_);
        add(' ', first ? bottom : bottom - y_);
        add('h', width);
        add('v', -height);
        add('h', -width);
        path_ += 'z';
        x_ = left;
        y_ = bottom;
    }

    void end_path(std::string_view classes) {
        if (!path_.empty()) {
            svg_.put("<path class=\"", classes, "\" d=\"", path_, "\"/>");
            path_.clear();
        }
    }

    svg_writer& svg_;
    time_axis axis_;
    centipixel height_;
    std::string path_;
    centipixel x_ = 0, y_ = 0; ///< where its last box began
};

} // namespace fanout::detail::waterfall
