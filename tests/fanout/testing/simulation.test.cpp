// SPDX-License-Identifier: BSL-1.0

#include <fanout/testing/simulation.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using fanout::testing::backend;
using fanout::testing::simulation;

namespace {

using answers = std::vector<std::pair<std::chrono::nanoseconds, bool>>;

void call(simulation& s, backend& b, answers& seen) {
    b.call([&](bool rejected) { seen.emplace_back(s.now(), rejected); });
}

} // namespace

TEST_CASE("events run in the order of their time, then of their scheduling") {
    simulation s;
    std::vector<int> ran;
    s.schedule(2ms, [&] { ran.push_back(3); });
    s.schedule(1ms, [&, only_movable = std::make_unique<int>(1)] {
        ran.push_back(*only_movable);
        s.schedule(0ms, [&] { ran.push_back(2); });
    });
    s.schedule(2ms, [&] { ran.push_back(4); });
    CHECK(s.step());
    CHECK(s.now() == 1ms);
    while (s.step()) {
    }
    CHECK(ran == std::vector<int>{1, 2, 3, 4});
    CHECK(s.now() == 2ms);
}

TEST_CASE("a backend that queues serves first come first served") {
    simulation s;
    backend b(s, {.when_full = backend::overload::queues, .slots = 1, .service = 10ms, .network = 2ms});
    answers seen;
    for (int i = 0; i < 3; ++i) {
        call(s, b, seen);
    }
    while (s.step()) {
    }
    CHECK(seen == answers{{12ms, false}, {22ms, false}, {32ms, false}});
    CHECK(b.latency() == 32ms);
    CHECK(b.served() == 3);
}

TEST_CASE("a backend that rejects does so at once, and holds no slot for it") {
    simulation s;
    backend b(s, {.when_full = backend::overload::rejects, .slots = 1, .service = 10ms, .network = 2ms});
    answers seen;
    call(s, b, seen);
    call(s, b, seen);
    while (s.step()) {
    }
    CHECK(seen == answers{{2ms, true}, {12ms, false}});
    CHECK(b.served() == 1);
    CHECK(b.rejected() == 1);
}

TEST_CASE("slots may be taken away while they are in use, and given") {
    simulation s;
    backend b(s, {.when_full = backend::overload::queues, .slots = 2, .service = 10ms, .network = 2ms});
    answers seen;
    for (int i = 0; i < 5; ++i) {
        call(s, b, seen);
    }
    while (b.waiting() < 3) {
        s.step();
    }
    b.slots(1); // the two that are served go on
    while (seen.size() < 3) {
        s.step();
    }
    CHECK(seen == answers{{12ms, false}, {12ms, false}, {22ms, false}});
    b.slots(2); // the fourth is served since 21 ms, the fifth from now
    while (s.step()) {
    }
    CHECK(seen[3] == std::pair<std::chrono::nanoseconds, bool>(32ms, false));
    CHECK(seen[4] == std::pair<std::chrono::nanoseconds, bool>(33ms, false));
}

TEST_CASE("Little's law") {
    simulation s;
    backend b(s, {.slots = 40, .service = 10ms, .network = 1ms});
    CHECK(b.optimum() == doctest::Approx(44));
    CHECK(b.capacity(1s) == doctest::Approx(4000));
    CHECK(b.unloaded() == 11ms);
}

TEST_CASE("a backend that cannot be is refused") {
    simulation s;
    CHECK_THROWS_AS(backend(s, {.slots = 0}), std::invalid_argument);
    CHECK_THROWS_AS(backend(s, {.service = 0ms}), std::invalid_argument);
    CHECK_THROWS_AS(backend(s, {.network = 0ms}), std::invalid_argument);
    CHECK_THROWS_AS(backend(s, {.jitter = 1}), std::invalid_argument);
}
