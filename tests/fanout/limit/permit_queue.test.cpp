// SPDX-License-Identifier: BSL-1.0

// The line of a limit alone, without Asio: every order of acquire, release, cancel and resize for up to four that wait.

#include <fanout/detail/permit_queue.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <vector>

using fanout::detail::permit_queue;
using fanout::detail::queued;

namespace {

/// doctest's macros would take most of the time, at millions of checks.
void expect(bool holds, int line) {
    if (!holds) {
        FAIL("the check in line " << line << " does not hold");
    }
}

struct setup {
    std::size_t permits = 1;
    std::vector<std::size_t> weights;
    std::vector<std::size_t> sizes; // the resizes that may happen, in this order
};

constexpr std::size_t most = 5; // one that holds a permit, and four that wait

enum class at : char { away, in_line, holds, done };

/// A limit's shell without lock or Asio, and what it has seen. Walked by playing each order of events from the start.
struct world {
    explicit world(setup const& s) : how(&s), line(s.permits) {
        for (std::size_t i = 0; i < s.weights.size(); ++i) {
            nodes[i].weight = s.weights[i];
        }
    }
    world(world const&) = delete;

    setup const* how;
    permit_queue line;
    std::array<queued, most> nodes{};
    std::array<at, most> where{};
    std::array<std::size_t, most> taken{};
    std::vector<std::size_t> arrived; // those in the line, in order
    std::size_t resized = 0;

    std::size_t out() const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < how->weights.size(); ++i) {
            n += where[i] == at::holds ? taken[i] : 0;
        }
        return n;
    }

    void hold(std::size_t i) {
        where[i] = at::holds;
        taken[i] = line.cost(how->weights[i]);
        expect(out() <= line.permits(),
               __LINE__); // nobody is let in beyond the permits, of which there may be fewer
    }

    void serve() {
        while (auto* const q = line.serve()) {
            auto const i = static_cast<std::size_t>(q - nodes.data());
            expect(where[i] == at::in_line, __LINE__);
            expect(arrived.front() == i, __LINE__); // first come, first served
            arrived.erase(arrived.begin());
            hold(i);
        }
        expect(line.free() == static_cast<std::int64_t>(line.permits()) - static_cast<std::int64_t>(out()),
               __LINE__);
        expect(line.waiting() == arrived.size(), __LINE__);
        if (!arrived.empty()) { // nobody waits who could be served
            expect(line.free() < static_cast<std::int64_t>(line.cost(how->weights[arrived.front()])),
                   __LINE__);
        }
    }

    /// Event e < most: the next thing that one does; e < 2 most: it is cancelled; 2 most: resize. False where that cannot
    /// happen.
    bool play(std::size_t event) {
        auto const n = how->weights.size();
        if (event == 2 * most) {
            if (resized == how->sizes.size()) {
                return false;
            }
            line.resize(how->sizes[resized++]);
        } else if (auto const i = event % most; i >= n) {
            return false;
        } else if (event >= most) {
            if (where[i] != at::in_line) {
                return false;
            }
            expect(line.remove(nodes[i]), __LINE__);
            expect(!line.remove(nodes[i]), __LINE__); // a second cancel finds nothing
            arrived.erase(std::find(arrived.begin(), arrived.end(), i));
            where[i] = at::done;
        } else if (where[i] == at::away) {
            auto const could =
                arrived.empty() && line.free() >= static_cast<std::int64_t>(line.cost(how->weights[i]));
            auto const got = line.try_acquire(how->weights[i]);
            expect(got == could, __LINE__); // nobody overtakes
            if (got) {
                hold(i);
            } else {
                line.push(nodes[i]);
                where[i] = at::in_line;
                arrived.push_back(i);
            }
        } else if (where[i] == at::holds) {
            line.release(taken[i]);
            where[i] = at::done;
        } else {
            return false;
        }
        serve();
        return true;
    }

    bool over() const {
        return std::all_of(where.begin(), where.begin() + static_cast<std::ptrdiff_t>(how->weights.size()),
                           [](at w) { return w == at::done; });
    }
};

/// Plays every order of events that can come.
double walk(setup const& s) {
    double orders = 0;
    std::vector<std::size_t> events;
    auto const from = [&](auto& self) -> void {
        auto more = false;
        for (std::size_t e = 0; e <= 2 * most; ++e) {
            world w(s);
            for (auto const past : events) {
                w.play(past);
            }
            if (w.play(e)) {
                more = true;
                events.push_back(e);
                self(self);
                events.pop_back();
            }
        }
        if (!more) {
            ++orders;
            world w(s);
            for (auto const past : events) {
                w.play(past);
            }
            expect(w.over(), __LINE__); // nobody is left in the line
            expect(w.line.free() == static_cast<std::int64_t>(w.line.permits()),
                   __LINE__); // no permit is lost
        }
    };
    from(from);
    return orders;
}

} // namespace

TEST_CASE("every order of acquire, release, cancel and resize for up to 4 that wait: nothing is lost, nobody "
          "overtakes") {
    double orders = 0;
    for (std::size_t permits = 1; permits <= 2; ++permits) {
        for (std::size_t n = 1; n <= 4; ++n) {
            orders += walk({permits, std::vector<std::size_t>(n, 1), {}});
        }
        for (std::size_t const size : {1U, 3U}) {
            orders += walk({permits, {1, 1, 1, 1}, {size}});
        }
    }
    orders += walk({1, {1, 1, 1, 1, 1}, {}}); // 4 behind 1
    std::cout << "permit_queue: " << orders << " orders of events walked\n";
    CHECK(orders > 1e5);
}

TEST_CASE("every order for weights, of which some are above the permits") {
    double orders = 0;
    for (std::size_t permits = 1; permits <= 3; ++permits) {
        for (std::size_t code = 0; code < 27; ++code) {
            orders += walk({permits, {1 + code % 3, 1 + code / 3 % 3, 1 + code / 9}, {2, 1}});
        }
    }
    CHECK(orders > 1e5);
}

TEST_CASE("fewer permits than are out: nobody is let in until enough came back") {
    permit_queue line(4);
    for (int i = 0; i < 4; ++i) {
        REQUIRE(line.try_acquire(1));
    }
    line.resize(2);
    CHECK(line.free() == -2);
    queued next;
    line.push(next);
    line.release(1);
    line.release(1);
    CHECK(line.serve() == nullptr); // two are out still, and two is all there is
    line.release(1);
    CHECK(line.serve() == &next);
    CHECK(line.serve() == nullptr);
}

TEST_CASE("a weight above the permits is served alone, and those behind it wait for it") {
    permit_queue line(3);
    REQUIRE(line.try_acquire(1));
    queued heavy, light;
    heavy.weight = 10;
    line.push(heavy);
    line.push(light);
    CHECK_FALSE(line.try_acquire(1)); // two are free, but the heavy one was first
    CHECK(line.serve() == nullptr);
    line.release(1);
    CHECK(line.serve() == &heavy);
    CHECK(line.free() == 0);
    CHECK(line.serve() == nullptr);
    line.release(line.cost(10));
    CHECK(line.serve() == &light);
}
