// SPDX-License-Identifier: BSL-1.0

#include <fanout/detail/number_text.hpp>

#include "../../support/rtti.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

using namespace std::chrono_literals;
using fanout::detail::fixed;
using fanout::detail::integer;
using fanout::detail::microseconds;

namespace {

template <class N>
std::string text(N const& n) {
    std::ostringstream out;
    out << n;
    return out.str();
}

struct comma_and_groups final : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

} // namespace

TEST_CASE("whole numbers of any width") {
    CHECK(text(integer(0)) == "0");
    CHECK(text(integer(-7)) == "-7");
    CHECK(text(integer((std::numeric_limits<std::uint64_t>::max)())) == "18446744073709551615");
    CHECK(text(integer((std::numeric_limits<std::int64_t>::min)())) == "-9223372036854775808");
}

TEST_CASE("fixed: at most so many decimals, none that say nothing, no minus before zero") {
    CHECK(text(fixed(1.5, 3)) == "1.5");
    CHECK(text(fixed(2.0, 3)) == "2");
    CHECK(text(fixed(100.0, 0)) == "100");
    CHECK(text(fixed(0.125, 2)) == "0.12");
    CHECK(text(fixed(99.996, 2)) == "100");
    CHECK(text(fixed(-3.25, 2)) == "-3.25");
    CHECK(text(fixed(-0.0001, 2)) == "0");
    CHECK(text(fixed(-0.0, 0)) == "0");
    CHECK(text(fixed(1e80, 2)) == "1e+80");
    CHECK(text(fixed(std::numeric_limits<double>::quiet_NaN(), 2)) == "0");
    CHECK(text(fixed(-std::numeric_limits<double>::infinity(), 2)) == "0");
}

TEST_CASE("a duration in microseconds is exact") {
    CHECK(text(microseconds(0ns)) == "0.000");
    CHECK(text(microseconds(1ns)) == "0.001");
    CHECK(text(microseconds(-1ns)) == "-0.001");
    CHECK(text(microseconds(123'456ns)) == "123.456");
    CHECK(text(microseconds(1h)) == "3600000000.000");
    CHECK(text(microseconds((std::chrono::nanoseconds::max)())) == "9223372036854775.807");
    CHECK(text(microseconds((std::chrono::nanoseconds::min)())) == "-9223372036854775.808");
}

TEST_CASE("neither a locale nor a stream's format reaches the text" * doctest::skip(!test::has_rtti)) {
    std::ostringstream out;
    out.imbue(std::locale(std::locale::classic(), new comma_and_groups));
    out.width(12);
    out << std::hex << std::showpos << integer(1'234'567);
    out << fixed(-12'345.5, 2) << microseconds(-1'234'567'890ns);
    CHECK(out.str() == "1234567-12345.5-1234567.890");
}
