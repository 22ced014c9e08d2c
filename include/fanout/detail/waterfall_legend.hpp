// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the bars and glyphs of a waterfall mean.

#include <fanout/detail/waterfall_style.hpp>
#include <fanout/detail/waterfall_svg.hpp>

#include <string_view>

namespace fanout::detail::waterfall {

/// Puts entries beside one another, in as many lines as they need.
class legend_drawing {
public:
    legend_drawing(svg_writer& svg, std::string_view id, centipixel left, centipixel right, centipixel top)
        : svg_(svg), id_(id), left_(left), right_(right), x_(left), y_(top) {
        svg_.put("<g class=\"legend\">\n");
    }

    void bar(std::string_view classes, std::string_view text) { box(classes, text, pixels(1), pixels(10)); }

    void line(std::string_view classes, std::string_view text) {
        box(classes, text, pixels(5), classes == "some sleep" ? pixels(1) : pixels(2));
    }

    void glyph(std::string_view classes, std::string_view symbol, std::string_view text) {
        make_room(text);
        write_glyph(svg_, id_, classes, symbol, x_ + pixels(5), y_ + pixels(6), pixels(10));
        add(pixels(10), text);
    }

    /// Ends it.
    /// @returns where it ends
    centipixel end() {
        svg_.put("</g>\n");
        return x_ > left_ ? y_ + pixels(18) : y_;
    }

private:
    static constexpr centipixel size = pixels(11);

    void box(std::string_view classes, std::string_view text, centipixel below, centipixel height) {
        make_room(text);
        svg_.put("<rect class=\"", classes, "\" x=\"", in_pixels(x_), "\" y=\"", in_pixels(y_ + below),
                 "\" width=\"18\" height=\"", in_pixels(height), "\"/>");
        add(pixels(18), text);
    }

    void make_room(std::string_view text) {
        if (x_ > left_ && x_ + pixels(24) + width_of(text, size) > right_) {
            x_ = left_;
            y_ += pixels(17);
        }
    }

    void add(centipixel symbol, std::string_view text) {
        write_text(svg_, "ink", x_ + symbol + pixels(5), y_ + pixels(10), size, text);
        x_ += symbol + width_of(text, size) + pixels(20);
    }

    svg_writer& svg_;
    std::string_view id_;
    centipixel left_, right_, x_, y_;
};

} // namespace fanout::detail::waterfall
