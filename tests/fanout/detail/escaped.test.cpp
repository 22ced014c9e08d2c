// SPDX-License-Identifier: BSL-1.0

#include <fanout/detail/escaped.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>

using namespace std::string_literals;
using fanout::detail::utf8_length;

namespace {

#define REPLACED "\xEF\xBF\xBD"

std::string json(std::string_view text) {
    std::ostringstream out;
    fanout::detail::write_json_string(out, text);
    return out.str();
}

std::string xml(std::string_view text) {
    std::ostringstream out;
    fanout::detail::write_xml(out, text);
    return out.str();
}

std::string encoded(char32_t c) {
    auto const byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    if (c < 0x80) {
        return {byte(c)};
    }
    if (c < 0x800) {
        return {byte(0xC0 | (c >> 6)), byte(0x80 | (c & 0x3F))};
    }
    if (c < 0x10000) {
        return {byte(0xE0 | (c >> 12)), byte(0x80 | ((c >> 6) & 0x3F)), byte(0x80 | (c & 0x3F))};
    }
    return {byte(0xF0 | (c >> 18)), byte(0x80 | ((c >> 12) & 0x3F)), byte(0x80 | ((c >> 6) & 0x3F)),
            byte(0x80 | (c & 0x3F))};
}

} // namespace

TEST_CASE("every Unicode character is well-formed, and a surrogate or what is beyond U+10FFFF is not") {
    std::size_t wrong = 0;
    for (char32_t c = 0; c < 0x11'0400; ++c) {
        auto const text = encoded(c);
        auto const valid = (c < 0xD800 || c > 0xDFFF) && c <= 0x10'FFFF;
        wrong += utf8_length(text + "\x80") == (valid ? text.size() : 0) ? 0 : 1;
        // Cut anywhere, it is nothing.
        for (std::size_t n = 0; n < text.size(); ++n) {
            wrong += utf8_length(std::string_view(text).substr(0, n)) == 0 ? 0 : 1;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("of all two-byte texts as many are well-formed as there are characters of two bytes") {
    std::size_t two = 0;
    for (int lead = 0; lead < 256; ++lead) {
        for (int trail = 0; trail < 256; ++trail) {
            auto const text = std::string{static_cast<char>(lead), static_cast<char>(trail)};
            two += utf8_length(text) == 2 ? 1U : 0U;
        }
    }
    CHECK(two == 0x800 - 0x80);
}

TEST_CASE("of all three-byte texts as many are well-formed as there are characters of three bytes") {
    std::size_t three = 0;
    for (int lead = 0x80; lead < 256; ++lead) {
        for (int second = 0; second < 256; ++second) {
            for (int third = 0; third < 256; ++third) {
                auto const text =
                    std::string{static_cast<char>(lead), static_cast<char>(second), static_cast<char>(third)};
                three += utf8_length(text) == 3 ? 1U : 0U;
            }
        }
    }
    CHECK(three == 0x10000 - 0x800 - 0x800);
}

TEST_CASE(
    "of all beginnings of four-byte texts as many are well-formed as there are 4,096s of such characters") {
    std::size_t four = 0;
    for (int lead = 0x80; lead < 256; ++lead) {
        for (int second = 0; second < 256; ++second) {
            auto const text = std::string{static_cast<char>(lead), static_cast<char>(second), '\x80', '\xBF'};
            four += utf8_length(text) == 4 ? 1U : 0U;
        }
    }
    CHECK(four == (0x110000 - 0x10000) / 0x1000);
}

TEST_CASE("JSON: quotes, backslashes and control characters are escaped, the rest stays") {
    CHECK(json("") == R"("")");
    CHECK(json("plain / 'text' <&>") == R"("plain / 'text' <&>")");
    CHECK(json(R"(say "no" \ yes)") == R"("say \"no\" \\ yes")");
    CHECK(json("a\nb\rc\td") == R"("a\nb\rc\td")");
    CHECK(json("\0\x01\x1f\x7f"s) == R"("\u0000\u0001\u001f\u007f")");
    CHECK(json("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x8C") ==
          "\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x8C\"");
}

TEST_CASE("what is not UTF-8 becomes U+FFFD, and nothing behind it is lost") {
    CHECK(json("\xFF") == "\"" REPLACED "\"");
    CHECK(json("a\xC3\"b") == "\"a" REPLACED "\\\"b\"");    // a cut sequence does not take the quote with it
    CHECK(json("\xE2\x82") == "\"" REPLACED REPLACED "\""); // cut by the end
    CHECK(json("\xC0\xAF") == "\"" REPLACED REPLACED "\""); // overlong '/'
    CHECK(json("\xED\xA0\x80") == "\"" REPLACED REPLACED REPLACED "\""); // a surrogate
    CHECK(xml("\x80<\xF4\x90\x80\x80") == REPLACED "&lt;" REPLACED REPLACED REPLACED REPLACED);
}

TEST_CASE("XML: markup is escaped for text and for attributes of either quote") {
    CHECK(xml("a < b && c > \"d\" 'e'") == "a &lt; b &amp;&amp; c &gt; &quot;d&quot; &#39;e&#39;");
    CHECK(xml("]]>") == "]]&gt;");
    CHECK(xml("a\tb\nc\r") == "a&#9;b&#10;c&#13;");
}

TEST_CASE("XML: what XML 1.0 cannot hold becomes U+FFFD") {
    CHECK(xml("\0a\x1b[1m"s) == REPLACED "a" REPLACED "[1m");
    CHECK(xml("\xEF\xBF\xBE\xEF\xBF\xBF") == REPLACED REPLACED);
    CHECK(xml("\xEF\xBF\xBD\xC2\x80\x7f") == "\xEF\xBF\xBD\xC2\x80\x7f");
}

TEST_CASE("a stream's width and fill do not reach the text") {
    std::ostringstream out;
    out.width(20);
    out.fill('*');
    fanout::detail::write_json_string(out, "x");
    CHECK(out.str() == "\"x\"");
}
