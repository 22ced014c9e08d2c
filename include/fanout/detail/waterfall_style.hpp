// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a waterfall looks: colours for a light and a dark background, the hatching, a glyph for each end.

#include <fanout/detail/waterfall_rows.hpp>
#include <fanout/detail/waterfall_svg.hpp>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace fanout::detail::waterfall {

/// The class of a bar, and of the glyph of an ending: "run ok", "end ok".
inline std::string_view class_of(ending e) noexcept {
    constexpr std::array<std::string_view, endings> names{"ok",        "running",   "not-started",
                                                          "cancelled", "timed-out", "rejected"};
    return names[static_cast<std::size_t>(e)];
}

inline std::string_view word_of(ending e) noexcept {
    constexpr std::array<std::string_view, endings> words{"fulfilled", "still running", "not started",
                                                          "cancelled", "timed out",     "rejected"};
    return words[static_cast<std::size_t>(e)];
}

inline std::string_view class_of(doing d) noexcept {
    constexpr std::array<std::string_view, doings> names{"run ok",        "run running",  "run cancelled",
                                                         "run timed-out", "run rejected", "run again",
                                                         "sleep",         "wait"};
    return names[static_cast<std::size_t>(d)];
}

/// A colour on a light and on a dark background. All but the lines of the grid have a contrast of 3 : 1 at least to
/// either. Those of the states have the hues of Okabe and Ito, and differ in lightness so that they can be told apart
/// without red, green or blue.
struct two_colours {
    std::string_view name, light, dark;
};

inline constexpr std::array<two_colours, 13> palette{{
    {"paper", "#ffffff", "#0d1117"},
    {"ink", "#1f2328", "#e6edf3"},
    {"faint", "#57606a", "#9198a1"},
    {"grid", "#d8dee4", "#2a3038"},
    {"hatch", "#868e96", "#7d8590"},
    {"ok", "#0068b5", "#3f9fe8"},
    {"running", "#009e73", "#35c995"},
    {"not-started", "#57606a", "#9198a1"},
    {"cancelled", "#424a53", "#6c747d"},
    {"timed-out", "#b45fa6", "#eab3da"},
    {"rejected", "#b83200", "#e0481f"},
    {"again", "#c08400", "#ffbe2e"},
    {"sleep", "#c08400", "#ffbe2e"},
}};

/// The style sheet. Each rule is for the picture with this id alone: a page may hold several, and much else.
inline void write_style(svg_writer& svg, std::string_view id) {
    auto const rule = [&](std::initializer_list<std::string_view> selectors, std::string_view body) {
        auto separator = "";
        for (auto const& s : selectors) {
            svg.put(separator, "#", id, " ", s);
            separator = ",";
        }
        svg.put("{", body, "}\n");
    };
    auto const colours = [&](std::string_view two_colours::* of) {
        for (auto const& c : palette) {
            svg.put("#", id, " .", c.name, "{color:", c.*of, "}");
        }
        // What lies below a text does not run into it.
        rule({".label", ".count"}, "stroke:" + std::string(palette.front().*of));
    };
    svg.put("<style>\n");
    colours(&two_colours::light);
    svg.put("@media (prefers-color-scheme:dark){\n");
    colours(&two_colours::dark);
    svg.put("}\n");
    rule({"text"}, "font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;"
                   "fill:currentColor;paint-order:stroke;stroke-width:2.5;stroke-linejoin:round");
    rule({".title", ".name"}, "font-weight:600");
    rule({".paper", ".run", ".some", ".sleep", ".most", ".mean", ".full"}, "fill:currentColor");
    rule({".sleep"}, "fill-opacity:.4");
    rule({".some.sleep"}, "fill-opacity:1");
    rule({"line.sleep"}, "stroke:currentColor;stroke-width:1.5");
    rule({".wait"}, "fill:url(#" + std::string(id) + "-hatch)");
    rule({".hatch"}, "stroke:currentColor;stroke-width:1.1");
    rule({".end", ".retry"},
         "fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round");
    rule({".hit"}, "fill:none;pointer-events:all");
    rule({".grid", ".done"}, "stroke:currentColor;fill:none");
    rule({".stop", ".cancel"}, "stroke:currentColor;stroke-width:1.4;stroke-dasharray:4 2");
    rule({".most"}, "fill-opacity:.35");
    rule({".mean"}, "fill-opacity:.5");
    rule({".limit"}, "fill:none;stroke:currentColor;stroke-width:1.4");
    svg.put("</style>\n");
}

/// The hatching, and a symbol for each ending and for a retry. They are strokes in a field of 10 by 10.
inline void write_symbols(svg_writer& svg, std::string_view id) {
    svg.put("<defs>\n<pattern id=\"", id,
            "-hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
            "patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M2.5 0v5\"/></pattern>\n");
    auto const symbol = [&](std::string_view name, std::string_view body) {
        svg.put("<symbol id=\"", id, "-", name, "\" viewBox=\"-5 -5 10 10\" overflow=\"visible\">", body,
                "</symbol>\n");
    };
    symbol("ok", R"(<path d="M-3.6.2L-1.2 2.8L3.6-2.8"/>)");
    symbol("rejected", R"(<path d="M-3-3L3 3M3-3L-3 3"/>)");
    symbol("timed-out", R"(<circle r="4"/><path d="M0-2V0L1.7 1"/>)");
    symbol("cancelled", R"(<circle r="4"/><path d="M-2.7 2.7L2.7-2.7"/>)");
    symbol("not-started", R"(<circle r="3.4" stroke-dasharray="2 1.6"/>)");
    symbol("running", R"(<path class="full" d="M-2.4-3.2L3.2 0L-2.4 3.2z"/>)");
    symbol(
        "retry",
        R"(<circle class="paper" r="5.6" stroke="none"/><path d="M2.9-2.4A3.8 3.8 0 1 0 3.8.4"/><path class="full" d="M4-4.6V-1.2H.6z" stroke-width=".6"/>)");
    svg.put("</defs>\n");
}

/// A glyph, `size` wide and high, in the middle of (x, y).
inline void write_glyph(svg_writer& svg, std::string_view id, std::string_view classes,
                        std::string_view symbol, centipixel x, centipixel y, centipixel size) {
    svg.put("<use class=\"", classes, "\" href=\"#", id, "-", symbol, "\" x=\"", in_pixels(x - size / 2),
            "\" y=\"", in_pixels(y - size / 2), "\" width=\"", in_pixels(size), "\" height=\"",
            in_pixels(size), "\"/>");
}

inline void write_text(svg_writer& svg, std::string_view classes, centipixel x, centipixel y, centipixel size,
                       std::string_view text, std::string_view anchor = "start") {
    svg.put("<text class=\"", classes, "\" x=\"", in_pixels(x), "\" y=\"", in_pixels(y), "\" font-size=\"",
            in_pixels(size), "\"");
    if (anchor != "start") {
        svg.put(" text-anchor=\"", anchor, "\"");
    }
    svg.put(">", raw_text{text}, "</text>\n");
}

} // namespace fanout::detail::waterfall
