// SPDX-License-Identifier: BSL-1.0
#include "../../benchmarks/lab/text.hpp"

#include <doctest/doctest.h>

using namespace lab;
using namespace std::chrono_literals;

TEST_CASE("times are told in units that people read") {
    CHECK(time_text(0s) == "0 s");
    CHECK(time_text(250us) == "250 us");
    CHECK(time_text(1500us) == "1.5 ms");
    CHECK(time_text(999'400us) == "999 ms");
    CHECK(time_text(999'600us) == "1 s");
    CHECK(time_text(1040ms) == "1.04 s");
    CHECK(time_text(59'400ms) == "59.4 s");
    CHECK(time_text(59'600ms) == "1 min");
    CHECK(time_text(540s) == "9 min");
    CHECK(time_text(541s) == "9 min 1 s");
    CHECK(time_text(1h) == "1 h");
    CHECK(time_text(30h + 33min) == "30 h 33 min");
}

TEST_CASE("numbers have three digits, or all that stand before the point") {
    CHECK(number_text(0) == "0");
    CHECK(number_text(1.857) == "1.86");
    CHECK(number_text(18.57) == "18.6");
    CHECK(number_text(185.7) == "186");
    CHECK(number_text(12'345.6) == "12,346");
    CHECK(number_text(0.19) == "0.19");
    CHECK(count_text(999) == "999");
    CHECK(count_text(1000) == "1,000");
    CHECK(count_text(10'000'000) == "10,000,000");
    CHECK(fixed_text(1, 2) == "1.00");
    CHECK(number_in_name(0.1) == "0.1");
    CHECK(number_in_name(180) == "180");
}

TEST_CASE("times are read with their unit, and nothing else is a time") {
    CHECK(time_of("250us") == 250us);
    CHECK(time_of("1.5s") == 1500ms);
    CHECK(time_of("15min") == 15min);
    CHECK(time_of("2h") == 2h);
    for (auto const* wrong :
         {"", "15", "s", "-1s", "0s", "1 s", "1m", "1s ", "1.2.3s", "1e3s", "721h", "inf", "nans"}) {
        CAPTURE(wrong);
        CHECK_FALSE(time_of(wrong).has_value());
    }
}
