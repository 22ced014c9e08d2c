// SPDX-License-Identifier: BSL-1.0
#include "text.hpp"

#include <fanout/detail/number_text.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

namespace lab {

namespace {

using std::chrono::nanoseconds;

template <class Number>
std::optional<Number> read(std::string_view text) {
    Number n{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return n;
}

// How many decimals leave three digits.
int decimals_of(double n) {
    auto const size = std::abs(n);
    return size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : size >= 0.09995 ? 3 : 4;
}

} // namespace

double seconds_of(nanoseconds d) { return std::chrono::duration<double>(d).count(); }

std::string count_text(std::size_t n) {
    auto out = std::to_string(n);
    for (auto at = out.size(); at > 3;)
        out.insert(at -= 3, 1, ',');
    return out;
}

std::string fixed_text(double n, int decimals) {
    std::array<char, 400> text{};
    auto const [end, error] =
        std::to_chars(text.data(), text.data() + text.size(), n, std::chars_format::fixed, decimals);
    return {text.data(), end};
}

std::string number_text(double n) {
    if (std::abs(n) >= 999.5)
        return count_text(static_cast<std::size_t>(std::llround(n)));
    return std::string(fanout::detail::fixed(n, decimals_of(n)).view());
}

std::string number_in_name(double n) {
    std::array<char, 64> text{};
    auto const [end, error] = std::to_chars(text.data(), text.data() + text.size(), n);
    return {text.data(), end};
}

std::string time_text(nanoseconds d) {
    auto const s = seconds_of(d);
    auto const whole = std::llround(s);
    auto const both = [](long long n, long long of, char const* unit, char const* rest) {
        return std::to_string(n / of) + unit + (n % of > 0 ? ' ' + std::to_string(n % of) + rest : "");
    };
    if (whole >= 3600)
        return both(whole / 60, 60, " h", " min");
    if (whole >= 60)
        return both(whole, 60, " min", " s");
    auto const [factor, unit] = s >= 0.9995      ? std::pair(1.0, " s")
                                : s >= 0.9995e-3 ? std::pair(1e3, " ms")
                                : s > 0          ? std::pair(1e6, " us")
                                                 : std::pair(1.0, " s");
    return number_text(s * factor) + unit;
}

std::optional<std::uint64_t> whole_number_of(std::string_view text) { return read<std::uint64_t>(text); }

std::optional<double> number_of(std::string_view text) {
    auto const n = read<double>(text);
    return n && std::isfinite(*n) ? n : std::nullopt;
}

std::optional<nanoseconds> time_of(std::string_view text) {
    auto const unit_at = text.find_first_not_of("0123456789.");
    if (unit_at == std::string_view::npos)
        return std::nullopt;
    auto const n = number_of(text.substr(0, unit_at));
    auto const unit = text.substr(unit_at);
    auto const factor = unit == "us"    ? 1e3
                        : unit == "ms"  ? 1e6
                        : unit == "s"   ? 1e9
                        : unit == "min" ? 60e9
                        : unit == "h"   ? 3600e9
                                        : 0.0;
    constexpr double most = 30.0 * 24 * 3600e9;
    if (!n || !(*n * factor >= 1) || *n * factor > most)
        return std::nullopt;
    return nanoseconds(static_cast<nanoseconds::rep>(*n * factor));
}

} // namespace lab
