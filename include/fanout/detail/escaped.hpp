// SPDX-License-Identifier: BSL-1.0
#pragma once

// Text of unknown origin, written so that a JSON or an XML parser takes it: what is not UTF-8 becomes U+FFFD.

#include <fanout/detail/requirements.hpp>

#include <algorithm>
#include <cstddef>
#include <ios>
#include <ostream>
#include <string_view>

namespace fanout::detail {

/// The length of the well-formed UTF-8 sequence that `text` begins with; 0 where it begins with none.
///
/// The Unicode Standard, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF. Boost.Locale's
/// `utf.hpp` would serve, but including it makes MSVC link the compiled library, and its decoder takes the
/// character behind a cut sequence for a part of it.
constexpr std::size_t utf8_length(std::string_view text) noexcept {
    auto const byte = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    auto const in = [](unsigned value, unsigned from, unsigned to) { return from <= value && value <= to; };
    auto const lead = byte(0);
    if (lead < 0x80) {
        return text.empty() ? 0 : 1;
    }
    auto const length = in(lead, 0xC2, 0xDF)   ? std::size_t{2}
                        : in(lead, 0xE0, 0xEF) ? std::size_t{3}
                        : in(lead, 0xF0, 0xF4) ? std::size_t{4}
                                               : std::size_t{0};
    if (length == 0 || !in(byte(1),
                           lead == 0xE0   ? 0xA0
                           : lead == 0xF0 ? 0x90
                                          : 0x80,
                           lead == 0xED   ? 0x9F
                           : lead == 0xF4 ? 0x8F
                                          : 0xBF)) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if (!in(byte(i), 0x80, 0xBF)) {
            return 0;
        }
    }
    return length;
}

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Writes `text`; where `instead_of(character)` returns something for a well-formed character, that is written
/// in its place. A byte that is no part of a well-formed character becomes U+FFFD.
template <class F>
void write_escaped(std::ostream& out, std::string_view text, F&& instead_of) {
    auto const put = [&out](std::string_view part) {
        out.write(part.data(), static_cast<std::streamsize>(part.size()));
    };
    std::size_t written = 0;
    for (std::size_t at = 0; at < text.size();) {
        auto const length = utf8_length(text.substr(at));
        auto const other = length == 0 ? replacement_character : instead_of(text.substr(at, length));
        auto const next = at + (std::max)(length, std::size_t{1});
        if (!other.empty()) {
            put(text.substr(written, at - written));
            put(other);
            written = next;
        }
        at = next;
    }
    put(text.substr(written));
}

/// Writes `text` as a JSON string, with its quotes.
inline void write_json_string(std::ostream& out, std::string_view text) {
    char control[] = "\\u0000";
    out.put('"');
    write_escaped(out, text, [&control](std::string_view character) -> std::string_view {
        auto const c = static_cast<unsigned char>(character.front());
        switch (c) {
        case '"': return "\\\"";
        case '\\': return "\\\\";
        case '\n': return "\\n";
        case '\r': return "\\r";
        case '\t': return "\\t";
        default: break;
        }
        if (c >= 0x20 && c != 0x7F) { // JSON allows DEL, Perfetto's reader does not
            return {};
        }
        control[4] = static_cast<char>('0' + c / 16);
        control[5] = "0123456789abcdef"[c % 16];
        return {control, 6};
    });
    out.put('"');
}

/// Writes `text` as XML 1.0 character data; it may stand between tags and in an attribute's quotes of either
/// kind, and a parser gives it back with its tabs and line ends. The characters that XML 1.0 has no way to
/// write (most control characters, U+FFFE, U+FFFF) become U+FFFD.
inline void write_xml(std::ostream& out, std::string_view text) {
    write_escaped(out, text, [](std::string_view character) -> std::string_view {
        switch (character.front()) {
        case '&': return "&amp;";
        case '<': return "&lt;";
        case '>': return "&gt;";
        case '"': return "&quot;";
        case '\'': return "&#39;";
        case '\t': return "&#9;";
        case '\n': return "&#10;";
        case '\r': return "&#13;";
        default: break;
        }
        if (static_cast<unsigned char>(character.front()) < 0x20 || character == "\xEF\xBF\xBE" ||
            character == "\xEF\xBF\xBF") {
            return replacement_character;
        }
        return {};
    });
}

} // namespace fanout::detail
