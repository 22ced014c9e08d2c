// SPDX-License-Identifier: BSL-1.0

// The core alone, without Asio: every order of events for up to four children.

#include <fanout/detail/fan_core.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

using fanout::detail::fan_core;
using fanout::detail::grant;
using fanout::detail::stop_cause;
using fanout::detail::ticket;
using fanout::detail::verdict;

namespace {

enum class fate : char { fulfilled = 'f', rejected = 'r', rejected_once = 'o' };

struct setup {
    std::vector<fate> children;
    std::size_t limit = 1;
    bool fail_fast = false;
    std::uint32_t max_attempts = 1;
    int source_fails_at = -1; // the source throws instead of giving this input
    bool with_deadline = false;
};

/// doctest's macros would take most of the time, at a hundred million checks.
void expect(bool holds, int line) {
    if (!holds) {
        FAIL("the check in line " << line << " does not hold");
    }
}

constexpr int the_deadline = 3; // where there is one

/// A shell without Asio around a core, and what it has seen. Copied at each fork of the walk.
struct world {
    using core_type = fan_core<int, std::size_t>; // the payload is the index, to see that it comes back

    explicit world(setup const& s)
        : how(&s),
          core(typename core_type::config{s.limit, s.fail_fast, s.max_attempts,
                                          s.with_deadline ? std::optional<int>(the_deadline) : std::nullopt}),
          seen(s.children.size()) {
        pump();
        finish();
    }

    struct lane {
        ticket work;
        bool running = true; // else it is about to end
    };
    struct child {
        std::uint32_t starts = 0;
        bool running = false;
        bool asleep = false;
        bool refused = false; // there was no budget for another attempt
        char outcome = '-';   // the last one
    };

    setup const* how;
    core_type core;
    std::vector<child> seen;
    std::vector<lane> lanes;
    int now = 0;
    bool stopped = false;
    int completions = 0;

    // ---- what the shell does

    bool take(lane& l) {
        for (;;) {
            switch (core.take()) {
            case grant::none: return false;
            case grant::parked: expect(false, __LINE__); return false; // nothing is parked here
            case grant::retry: {
                auto [work, payload] = core.retry();
                expect(payload == work.index, __LINE__);
                expect(seen[work.index].asleep, __LINE__);
                seen[work.index].asleep = false;
                start(l, work);
                return true;
            }
            case grant::fresh:
                if (how->source_fails_at == static_cast<int>(core.pulled_count())) {
                    core.source_ended();
                    core.stop(stop_cause::source);
                    note_stop();
                    return false;
                }
                if (core.pulled_count() == seen.size()) {
                    core.source_ended();
                    continue;
                }
                start(l, core.pulled());
                return true;
            }
        }
    }

    void start(lane& l, ticket work) {
        expect(!(stopped), __LINE__); // nothing starts after a stop
        auto& c = seen[work.index];
        expect(!(c.running), __LINE__);
        expect(++c.starts == work.attempt, __LINE__);
        expect(work.attempt <= how->max_attempts, __LINE__);
        c.running = true;
        l = {work, true};
        auto const running =
            std::count_if(seen.begin(), seen.end(), [](child const& x) { return x.running; });
        expect(static_cast<std::size_t>(running) <= how->limit, __LINE__);
        expect(static_cast<std::size_t>(running) == core.in_flight(), __LINE__);
    }

    void pump() {
        while (core.wants_lane()) {
            lane l;
            core.lane_opened();
            if (take(l)) {
                lanes.push_back(l);
            } else {
                core.lane_ended();
            }
        }
    }

    void finish() {
        // Which lane runs what makes no difference: keep them in one order, so that states are told apart less often.
        std::sort(lanes.begin(), lanes.end(), [](lane const& a, lane const& b) {
            return std::pair(a.running ? a.work.index : ~std::size_t{0}, a.running) <
                   std::pair(b.running ? b.work.index : ~std::size_t{0}, b.running);
        });
        if (core.finish()) {
            ++completions;
            expect(lanes.empty(), __LINE__);
            for (auto const& c : seen) {
                expect(!(c.running), __LINE__);
                expect(!(c.asleep), __LINE__);
            }
        }
        expect(completions <= 1, __LINE__);
    }

    // ---- events

    static constexpr int no_budget = 0; ///< in place of a delay: it may be run again, and is not

    void settle(std::size_t k, int delay) {
        auto& l = lanes[k];
        auto& c = seen[l.work.index];
        c.running = false;
        auto const f = how->children[l.work.index];
        if (f == fate::fulfilled || (f == fate::rejected_once && l.work.attempt > 1)) {
            core.fulfilled();
            c.outcome = 'f';
        } else {
            c.outcome = 'r';
            switch (core.rejected(l.work, true)) {
            case verdict::final: break;
            case verdict::stop: stopped = true; break;
            case verdict::retry:
                expect(!(stopped), __LINE__);
                c.refused = delay == no_budget;
                c.asleep = !c.refused && core.may_sleep(now + delay);
                expect(c.asleep ==
                           (delay != no_budget && (!how->with_deadline || now + delay < the_deadline)),
                       __LINE__);
                if (c.asleep) {
                    core.sleep(l.work, now + delay, std::size_t(l.work.index));
                }
                break;
            }
        }
        if (!take(l)) {
            l.running = false;
        }
        pump();
        finish();
    }

    void end_lane(std::size_t k) {
        lanes.erase(lanes.begin() + static_cast<std::ptrdiff_t>(k));
        core.lane_ended();
        pump();
        finish();
    }

    void tick() {
        now = *core.next_due();
        core.timer_due(now);
        pump();
        finish();
    }

    void stop() {
        std::size_t sleeping = 0; // each of these can be told that it will not run, once
        core.for_each_sleeping([&](std::size_t index) {
            expect(seen[index].asleep, __LINE__);
            sleeping |= std::size_t{1} << index;
        });
        for (std::size_t i = 0; i < seen.size(); ++i) {
            expect(seen[i].asleep == ((sleeping >> i & 1) != 0), __LINE__);
        }
        if (core.stop(stop_cause::caller)) {
            note_stop();
        }
        finish();
    }

    void note_stop() {
        stopped = true;
        for (auto& c : seen) { // what sleeps keeps its last outcome
            c.asleep = false;
        }
    }

    /// All that can make a difference from here on.
    std::string key() const {
        std::string k;
        for (auto const& l : lanes) {
            k += l.running ? static_cast<char>('0' + l.work.index) : 'E';
        }
        k += '|';
        for (auto const& c : seen) {
            k += static_cast<char>('0' + c.starts);
            k += c.asleep ? 'z' : c.running ? 'r' : c.refused ? 'n' : '.';
            k += c.outcome;
        }
        auto const due = core.next_due();
        k += '|' + std::to_string(due ? *due - now : -1) + '|' + std::to_string(core.sleeping());
        k += stopped ? 's' : 'g';
        k += how->with_deadline ? std::to_string(now) : "";
        k += static_cast<char>('0' + completions);
        return k;
    }
};

struct walk {
    std::unordered_map<std::string, double> known; // orders that lead on from a state
    std::size_t states = 0;
    bool remember = true;

    /// Follows every event that can come next; returns the number of orders.
    double from(world const& w, bool may_stop) {
        auto const key = w.key() + sleepers(w) + (may_stop ? '+' : '-');
        if (remember) {
            if (auto const at = known.find(key); at != known.end()) {
                return at->second;
            }
        }
        ++states;
        double orders = 0;
        auto const follow = [&](auto event, bool stop_left) {
            world next = w;
            event(next);
            orders += from(next, stop_left);
        };
        for (std::size_t k = 0; k < w.lanes.size(); ++k) {
            if (w.lanes[k].running) {
                follow([k](world& n) { n.settle(k, 1); }, may_stop);
                if (w.how->max_attempts > 1) {
                    follow([k](world& n) { n.settle(k, 2); }, may_stop);
                    follow([k](world& n) { n.settle(k, world::no_budget); }, may_stop);
                }
            } else {
                follow([k](world& n) { n.end_lane(k); }, may_stop);
            }
        }
        if (w.core.next_due()) {
            follow([](world& n) { n.tick(); }, may_stop);
        }
        if (may_stop && w.completions == 0) {
            follow([](world& n) { n.stop(); }, false);
        }
        if (orders == 0) { // nothing can come any more
            check_end(w);
            orders = 1;
        }
        if (remember) {
            known[key] = orders;
        }
        return orders;
    }

    /// When each sleeper is due, relative to now: the core keeps this, so it is part of the state.
    static std::string sleepers(world const& w) {
        auto core = w.core;
        std::string s;
        while (auto const due = core.next_due()) {
            s += ',' + std::to_string(*due - w.now);
            core.timer_due(*due);
            while (core.sleeping() > 0 && !core.next_due()) {
                s += static_cast<char>('a' + core.retry().first.index);
            }
        }
        return s;
    }

    static void check_end(world const& w) {
        expect(w.completions == 1, __LINE__);
        for (std::size_t i = 0; i < w.seen.size(); ++i) {
            auto const& c = w.seen[i];
            auto const f = w.how->children[i];
            if (!w.stopped) { // all ran, as often as they should
                expect(c.outcome ==
                           (f == fate::fulfilled || (f == fate::rejected_once && c.starts > 1) ? 'f' : 'r'),
                       __LINE__);
                expect(!c.refused || (c.outcome == 'r' && c.starts < w.how->max_attempts), __LINE__);
                if (!w.how->with_deadline && !c.refused) {
                    auto const expected = f == fate::fulfilled  ? 1
                                          : f == fate::rejected ? w.how->max_attempts
                                                                : 2;
                    expect(c.starts == (std::min)(expected, w.how->max_attempts), __LINE__);
                }
            }
            expect((c.starts > 0) == (c.outcome != '-'),
                   __LINE__); // started: has an outcome; not started: has none
        }
    }
};

template <class F>
void for_each_children(std::size_t n, F f) {
    std::vector<fate> c(n);
    auto const fill = [&](auto& self, std::size_t i) -> void {
        if (i == n) {
            f(c);
            return;
        }
        for (auto x : {fate::fulfilled, fate::rejected, fate::rejected_once}) {
            c[i] = x;
            self(self, i + 1);
        }
    };
    fill(fill, 0);
}

} // namespace

TEST_CASE(
    "every order of events for up to 4 children ends once, loses nothing, and starts nothing after a stop") {
    double orders = 0;
    std::size_t states = 0;
    for (std::size_t n = 0; n <= 4; ++n) {
        for (std::size_t limit = 1; limit <= 4; ++limit) {
            for_each_children(n, [&](std::vector<fate> const& children) {
                for (auto const& [fail_fast, attempts] : {std::pair{true, 1U}, {false, 1U}, {false, 2U}}) {
                    setup const s{children, limit, fail_fast, attempts};
                    walk w;
                    orders += w.from(world(s), true);
                    states += w.states;
                }
            });
        }
    }
    std::cout << std::fixed << std::setprecision(0) << "fan_core: " << orders
              << " orders of events walked, through " << states << " states\n";
    CHECK(orders > 1e6);
}

TEST_CASE("every order of events with three attempts, two delays, and a budget that refuses at any of them") {
    double orders = 0;
    std::size_t states = 0;
    for (std::size_t n = 1; n <= 3; ++n) {
        for (std::size_t limit = 1; limit <= n; ++limit) {
            for_each_children(n, [&](std::vector<fate> const& children) {
                setup const s{children, limit, false, 3};
                walk w;
                orders += w.from(world(s), true);
                states += w.states;
            });
        }
    }
    std::cout << std::fixed << std::setprecision(0) << "fan_core: " << orders
              << " orders of events with three attempts, through " << states << " states\n";
    CHECK(orders > 1e6);
}

TEST_CASE("up to 2 children, each order walked on its own, without telling states apart") {
    double orders = 0;
    for (std::size_t n = 0; n <= 2; ++n) {
        for (std::size_t limit = 1; limit <= 2; ++limit) {
            for_each_children(n, [&](std::vector<fate> const& children) {
                for (auto const& [fail_fast, attempts] : {std::pair{true, 1U}, {false, 1U}, {false, 2U}}) {
                    setup const s{children, limit, fail_fast, attempts};
                    walk one_by_one, by_state;
                    one_by_one.remember = false;
                    auto const here = one_by_one.from(world(s), true);
                    expect(here == by_state.from(world(s), true),
                           __LINE__); // the shortcut of the test above counts right
                    orders += here;
                }
            });
        }
    }
    std::cout << std::fixed << std::setprecision(0) << "fan_core: " << orders << " of them one by one\n";
}

TEST_CASE("a source that throws at any input ends the fan-out when the running children have ended") {
    double orders = 0;
    for (std::size_t limit = 1; limit <= 3; ++limit) {
        for (int at = 0; at <= 3; ++at) {
            for_each_children(3, [&](std::vector<fate> const& children) {
                setup const s{children, limit, false, 2, at};
                orders += walk().from(world(s), true);
            });
        }
    }
    CHECK(orders > 1000);
}

TEST_CASE("a sleep that would pass the deadline is not slept") {
    double orders = 0;
    for_each_children(3, [&](std::vector<fate> const& children) {
        setup const s{children, 2, false, 4, -1, true};
        orders += walk().from(world(s), true);
    });
    CHECK(orders > 1000);
}

TEST_CASE("inputs that are due go before fresh ones, the earliest first") {
    fan_core<int, int> core({1, false, 3, {}});
    REQUIRE(core.take() == grant::fresh);
    auto const a = core.pulled();
    REQUIRE(core.rejected(a, true) == verdict::retry);
    core.sleep(a, 20, 0);
    REQUIRE(core.take() == grant::fresh);
    auto const b = core.pulled();
    REQUIRE(core.rejected(b, true) == verdict::retry);
    core.sleep(b, 10, 0);
    CHECK(core.next_due() == 10);
    CHECK(core.timer_due(30));
    CHECK_FALSE(core.next_due()); // both wait for a permit: no timer is needed
    REQUIRE(core.take() == grant::retry);
    CHECK(core.retry().first.index == b.index);
    CHECK(core.take() == grant::none); // the limit is 1
    core.fulfilled();
    REQUIRE(core.take() == grant::retry);
    CHECK(core.retry().first.index == a.index);
}
