// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes the text of an SVG: lengths with one spelling on every machine and in every locale, and escaped text.

#include <fanout/detail/escaped.hpp>
#include <fanout/detail/number_text.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <ostream>
#include <string>
#include <string_view>

namespace fanout::detail::waterfall {

/// Lengths are hundredths of a pixel: integers, so that sums are exact and no machine rounds in its own way.
using centipixel = std::int64_t;

/// A whole number of pixels.
constexpr centipixel pixels(std::int64_t n) noexcept { return n * 100; }

/// A length as it is written.
inline number_text in_pixels(centipixel length) noexcept {
    return fixed(static_cast<double>(length) / 100, 2);
}

/// Text as it came, to be escaped.
struct raw_text {
    std::string_view text;
};

class svg_writer {
public:
    explicit svg_writer(std::ostream& out) noexcept : out_(&out) {}

    /// Writes the parts one after another: text as it is, `raw_text` escaped, numbers in digits.
    template <class... Parts>
    void put(Parts const&... parts) {
        (one(parts), ...);
    }

private:
    void one(std::string_view text) { out_->write(text.data(), static_cast<std::streamsize>(text.size())); }
    void one(raw_text t) { write_xml(*out_, t.text); }
    void one(std::unsigned_integral auto n) { one(integer(n)); }

    std::ostream* out_;
};

/// How many characters there are, each byte that is no part of one counted as one.
inline std::size_t count_characters(std::string_view text) noexcept {
    std::size_t n = 0;
    for (; !text.empty(); ++n) {
        text.remove_prefix((std::max)(utf8_length(text), std::size_t{1}));
    }
    return n;
}

/// The first `most` characters; where there are more, the last of them is an ellipsis.
inline std::string shortened(std::string_view text, std::size_t most) {
    if (count_characters(text) <= most) {
        return std::string(text);
    }
    std::size_t at = 0;
    for (std::size_t n = 1; n < most; ++n) {
        at += (std::max)(utf8_length(text.substr(at)), std::size_t{1});
    }
    return std::string(text.substr(0, at)) + "\xE2\x80\xA6";
}

/// About how wide a text is, in a font of this size: browsers differ, so what depends on it leaves room.
inline centipixel width_of(std::string_view text, centipixel font_size) noexcept {
    return static_cast<centipixel>(count_characters(text)) * font_size * 60 / 100;
}

} // namespace fanout::detail::waterfall
