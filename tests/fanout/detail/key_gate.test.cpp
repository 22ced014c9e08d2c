// SPDX-License-Identifier: BSL-1.0

#include <fanout/detail/key_gate.hpp>

#include <doctest/doctest.h>

#include <compare>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using fanout::detail::key_gate;

namespace {

/// A key that has an order and no hash, and counts how many there are.
struct ordered {
    explicit ordered(int v) : value(v) { ++alive; }
    ordered(ordered const& o) : value(o.value) { ++alive; }
    ~ordered() { --alive; }
    friend bool operator<(ordered const& a, ordered const& b) { return a.value < b.value; }

    int value;
    static inline int alive = 0;
};
static_assert(!fanout::detail::hashable<ordered>);
static_assert(fanout::detail::hashable<std::string>);

/// A key whose hash is the same for all.
struct collides {
    int value;
    friend bool operator==(collides a, collides b) { return a.value == b.value; }
};

/// Entries cannot be copied.
using entry = std::unique_ptr<int>;

entry make(int i) { return std::make_unique<int>(i); }

} // namespace

template <>
struct std::hash<collides> {
    std::size_t operator()(collides) const noexcept { return 7; }
};

TEST_CASE("so many per key go in, the next waits; its entry is taken only then") {
    key_gate<std::string, entry> gate(2);
    auto a = make(1), b = make(2), c = make(3), d = make(4);
    auto* const first = gate.enter("x", a);
    REQUIRE(first != nullptr);
    CHECK(gate.enter("x", b) == first);
    CHECK(a); // not moved from
    CHECK(b);
    CHECK(gate.enter("x", c) == nullptr);
    CHECK_FALSE(c);
    auto* const other = gate.enter("y", d);
    CHECK(other != nullptr);
    CHECK(other != first);
}

TEST_CASE("those that wait go on in their order, each as one leaves") {
    key_gate<int, entry> gate(1);
    auto e = make(0);
    auto* const here = gate.enter(5, e);
    for (int i = 1; i <= 3; ++i) {
        e = make(i);
        REQUIRE(gate.enter(5, e) == nullptr);
    }
    for (int i = 1; i <= 3; ++i) {
        CHECK(gate.leave(here));
        auto late = make(9);
        CHECK(gate.enter(5, late) == nullptr); // the place has passed to the one that waited
        auto [at, next] = gate.pop();
        CHECK(at == here);
        CHECK(*next == i);
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(gate.leave(here));
        CHECK(*gate.pop().second == 9);
    }
    CHECK_FALSE(gate.leave(here));
}

TEST_CASE("across keys they go on in the order in which their places became free") {
    key_gate<collides, entry> gate(1);
    std::vector<decltype(gate)::place> at;
    for (int k = 0; k < 3; ++k) {
        auto e = make(-1);
        at.push_back(gate.enter(collides{k}, e));
        e = make(k);
        REQUIRE(gate.enter(collides{k}, e) == nullptr);
    }
    for (auto const k : {2U, 0U, 1U}) {
        CHECK(gate.leave(at[k]));
    }
    for (auto const k : {2, 0, 1}) {
        auto [where, e] = gate.pop();
        CHECK(*e == k);
        CHECK(where == at[static_cast<std::size_t>(k)]);
    }
}

TEST_CASE("a key that nobody uses takes no memory") {
    {
        key_gate<ordered, entry> gate(2);
        for (int i = 0; i < 1000; ++i) {
            auto e = make(i);
            auto* const place = gate.enter(ordered(i), e);
            auto* const again = gate.enter(ordered(i), e);
            CHECK(ordered::alive == 1);
            CHECK_FALSE(gate.leave(place));
            CHECK(ordered::alive == 1);
            CHECK_FALSE(gate.leave(again));
            CHECK(ordered::alive == 0);
        }
    }
    key_gate<ordered, entry> gate(1);
    std::vector<decltype(gate)::place> at;
    for (int i = 0; i < 100; ++i) {
        auto e = make(i);
        at.push_back(gate.enter(ordered(i), e));
    }
    CHECK(ordered::alive == 100);
    for (auto* const p : at) {
        gate.leave(p);
    }
    CHECK(ordered::alive == 0);
}

TEST_CASE("after clear() nobody waits, and those inside may still leave") {
    key_gate<ordered, entry> gate(1);
    auto e = make(0);
    auto* const a = gate.enter(ordered(1), e);
    auto* const b = gate.enter(ordered(2), e);
    auto w = make(1), x = make(2);
    CHECK(gate.enter(ordered(1), w) == nullptr);
    CHECK(gate.enter(ordered(2), x) == nullptr);
    CHECK(gate.leave(a)); // one is ready, and never popped
    gate.clear();
    CHECK_FALSE(gate.leave(b));
}

TEST_CASE("any order of comings and goings agrees with a plain model") {
    std::mt19937 random(20260701);
    for (auto const permits : {1U, 2U, 5U}) {
        key_gate<int, int> gate(permits);
        std::map<int, std::deque<int>> waiting; // the model: per key, who waits
        std::deque<std::pair<int, int>> ready;  // key and entry, in the order of their turns
        std::vector<std::pair<int, key_gate<int, int>::place>> inside;
        std::map<int, unsigned> busy;
        for (int step = 0; step < 20'000; ++step) {
            auto const dice = random() % 10;
            if (dice < 5) {
                auto const key = static_cast<int>(random() % 7);
                auto e = step;
                auto* const place = gate.enter(int(key), e);
                REQUIRE((place != nullptr) == (busy[key] < permits));
                if (place != nullptr) {
                    ++busy[key];
                    inside.emplace_back(key, place);
                } else {
                    waiting[key].push_back(step);
                }
            } else if (dice < 8 && !inside.empty()) {
                std::swap(inside[random() % inside.size()], inside.back());
                auto const [key, place] = inside.back();
                inside.pop_back();
                REQUIRE(gate.leave(place) == !waiting[key].empty());
                if (waiting[key].empty()) {
                    --busy[key];
                } else {
                    ready.emplace_back(key, waiting[key].front());
                    waiting[key].pop_front();
                }
            } else if (!ready.empty()) {
                auto const [place, e] = gate.pop();
                REQUIRE(e == ready.front().second);
                inside.emplace_back(ready.front().first, place);
                ready.pop_front();
            }
        }
    }
}
