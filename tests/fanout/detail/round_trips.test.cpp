// SPDX-License-Identifier: BSL-1.0

#include <fanout/detail/round_trips.hpp>
#include <fanout/limit/algorithm/aimd.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace std::chrono_literals;
using fanout::feedback;
using fanout::sample;
using fanout::state;

namespace {

// Keeps the samples; the limit does not move.
class recorder {
public:
    explicit recorder(std::vector<sample>& seen) : seen_(&seen) {}
    static std::size_t limit() noexcept { return 100; }
    void on_sample(sample const& s) noexcept { seen_->push_back(s); }

private:
    std::vector<sample>* seen_;
};

feedback served(std::chrono::nanoseconds latency) { return {feedback::success, latency, state::fulfilled}; }
constexpr feedback overloaded{feedback::overloaded, 1ms, state::rejected};
constexpr feedback ignored{feedback::ignored, 1ms, state::rejected};

std::vector<std::uint64_t> acquire(auto& trips, std::size_t n) {
    std::vector<std::uint64_t> numbers;
    for (std::size_t i = 0; i < n; ++i) {
        numbers.push_back(trips.acquired());
    }
    return numbers;
}

} // namespace

TEST_CASE("permits are numbered in the order in which they are handed out, and counted") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    CHECK(acquire(trips, 3) == std::vector<std::uint64_t>{0, 1, 2});
    CHECK(trips.in_flight() == 3);
    trips.released(1, ignored);
    CHECK(trips.in_flight() == 2);
    CHECK(trips.acquired() == 3);
    CHECK(trips.limit() == 100);
}

TEST_CASE("one at a time: each is a round trip") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    for (int i = 1; i <= 3; ++i) {
        trips.released(trips.acquired(), served(i * 1ms));
    }
    REQUIRE(seen.size() == 3);
    CHECK(seen[2].rtt == 3ms);
    CHECK(seen[2].in_flight == 1);
    CHECK(seen[2].served == 1);
    CHECK_FALSE(seen[2].overloaded);
}

TEST_CASE("a round trip is over when as many came back as were in flight, and tells their mean") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    acquire(trips, 4);
    std::uint64_t oldest = 0;
    // Each that comes back is replaced: 4 are in flight all the time. The first round trip, too, takes 4.
    for (int i = 0; i < 8; ++i) {
        trips.released(oldest++, served(i < 4 ? 10ms : 20ms));
        trips.acquired();
        CHECK(seen.size() == (i < 3 ? 0 : i < 7 ? 1 : 2));
    }
    CHECK(seen[0].rtt == 10ms);
    CHECK(seen[1].rtt == 20ms);
    CHECK(seen[1].served == 4);
    CHECK(seen[1].in_flight == 4);
}

TEST_CASE("the first round trip ends with the first ten: they found an idle backend") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    auto const numbers = acquire(trips, 100);
    for (std::size_t i = 0; i < 10; ++i) {
        CHECK(seen.empty());
        trips.released(numbers[i], served(10ms));
    }
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].served == 10);
    CHECK(seen[0].in_flight == 100);
    for (std::size_t i = 10; i < 100; ++i) {
        trips.released(numbers[i], served(50ms));
    }
    CHECK(seen.size() == 1); // 91 were out when the second began: 90, and the one that may take the place
    trips.released(trips.acquired(), served(50ms));
    REQUIRE(seen.size() == 2);
    CHECK(seen[1].rtt == 50ms);
    CHECK(seen[1].in_flight == 90);
}

TEST_CASE("permits may come back in any order") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    acquire(trips, 3);
    trips.released(2, served(1ms));
    trips.released(0, served(2ms));
    trips.released(1, served(6ms));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].rtt == 3ms);
    CHECK(trips.in_flight() == 0);
}

TEST_CASE("overload is told at once, with what was served until then") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    acquire(trips, 5);
    trips.released(0, served(4ms));
    trips.released(1, overloaded);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].overloaded);
    CHECK(seen[0].rtt == 4ms);
    CHECK(seen[0].served == 1);
    CHECK(seen[0].in_flight == 5);
}

TEST_CASE("a burst of rejections is one sign") {
    fanout::detail::round_trips trips(fanout::aimd({.initial = 100}));
    auto const numbers = acquire(trips, 100);
    for (auto const n : numbers) {
        trips.released(n, overloaded);
        CHECK(trips.limit() == 90);
    }
    // Of one that was handed out since, it is another.
    trips.released(trips.acquired(), overloaded);
    CHECK(trips.limit() == 81);
}

TEST_CASE("a late rejection from before the last decrease does not count, whatever was served since") {
    fanout::detail::round_trips trips(fanout::aimd({.initial = 100}));
    auto const late = trips.acquired();
    trips.released(trips.acquired(), overloaded);
    CHECK(trips.limit() == 90);
    for (int i = 0; i < 5; ++i) {
        trips.released(trips.acquired(), served(1ms));
    }
    trips.released(late, overloaded);
    CHECK(trips.limit() == 90);
}

TEST_CASE("what says nothing is no sample, and ends no round trip") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    auto const kept = trips.acquired();
    for (int i = 0; i < 1000; ++i) {
        trips.released(trips.acquired(), i % 2 == 0 ? ignored : feedback{});
    }
    CHECK(seen.empty());
    CHECK(trips.in_flight() == 1);
    trips.released(kept, served(7ms));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].rtt == 7ms);
}

TEST_CASE("an unused permit says nothing, whatever else it says") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    trips.released(trips.acquired(), {feedback::success, 1ms, state::not_started});
    trips.released(trips.acquired(), {feedback::overloaded, 1ms, state::not_started});
    CHECK(seen.empty());
}

TEST_CASE("children that complete at once have a latency of 0, and are served") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    trips.released(trips.acquired(), served(0ms));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].rtt == 0ms);
    CHECK(seen[0].served == 1);
}

TEST_CASE("rejections that belong to the last decrease count for the round trip's length") {
    std::vector<sample> seen;
    fanout::detail::round_trips trips(recorder{seen});
    acquire(trips, 4);
    trips.released(0, overloaded); // the second round trip: 3 and the next
    trips.released(1, overloaded);
    trips.released(2, overloaded);
    trips.released(3, served(5ms));
    CHECK(seen.size() == 1);
    trips.released(trips.acquired(), served(5ms));
    REQUIRE(seen.size() == 2);
    CHECK(seen[1].rtt == 5ms);
    CHECK(seen[1].served == 2);
}
