// SPDX-License-Identifier: BSL-1.0
#pragma once

// Numbers as text for JSON and SVG: a point as the decimal mark and no grouping, whatever the stream's or the
// program's locale is.

#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ios>
#include <ostream>
#include <string_view>
#include <system_error>

namespace fanout::detail {

/// The text of one number. Writing it ignores the stream's width and flags.
class number_text {
public:
    std::string_view view() const noexcept { return {text_, size_}; }
    operator std::string_view() const noexcept { return view(); }

    friend std::ostream& operator<<(std::ostream& out, number_text const& n) {
        return out.write(n.text_, static_cast<std::streamsize>(n.size_));
    }

private:
    friend number_text integer(std::integral auto value) noexcept;
    friend number_text fixed(double value, int decimals) noexcept;
    friend number_text microseconds(std::chrono::nanoseconds t) noexcept;

    template <class... Args>
    bool append(Args... args) noexcept {
        auto const [end, error] = std::to_chars(text_ + size_, text_ + sizeof text_, args...);
        if (error != std::errc()) {
            return false;
        }
        size_ = static_cast<std::size_t>(end - text_);
        return true;
    }

    char text_[64];
    std::size_t size_ = 0;
};

/// A whole number.
number_text integer(std::integral auto value) noexcept {
    number_text out;
    out.append(value);
    return out;
}

/// `value`, rounded to at most `decimals` of them: 1.5 with 3 is "1.5", 2.0 is "2"; never "-0". What is no
/// number or infinite is "0", since neither JSON nor SVG can say it; what has some 60 digits or more is
/// written as "1e+80".
inline number_text fixed(double value, int decimals) noexcept {
    number_text out;
    if (!std::isfinite(value)) {
        value = 0.0;
    }
    if (!out.append(value, std::chars_format::fixed, decimals)) {
        out.append(value);
        return out;
    }
    if (out.view().find('.') != std::string_view::npos) {
        out.size_ = out.view().find_last_not_of('0') + 1;
        out.size_ -= out.text_[out.size_ - 1] == '.' ? 1 : 0;
    }
    return out.view() == "-0" ? integer(0) : out;
}

/// A duration in microseconds, exact: 1500 ns is "1.500".
inline number_text microseconds(std::chrono::nanoseconds t) noexcept {
    number_text out;
    auto const negative = t.count() < 0;
    auto const n = static_cast<std::uint64_t>(t.count());
    auto const nanoseconds = negative ? 0 - n : n;
    if (negative) {
        out.text_[out.size_++] = '-';
    }
    out.append(nanoseconds / 1'000);
    out.text_[out.size_++] = '.';
    for (std::uint64_t unit = 100; unit > 0; unit /= 10) {
        out.text_[out.size_++] = static_cast<char>('0' + nanoseconds / unit % 10);
    }
    return out;
}

} // namespace fanout::detail
