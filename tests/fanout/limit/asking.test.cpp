// SPDX-License-Identifier: BSL-1.0

// The core of a fan-out whose permits come from a shared limit, and whose inputs may have to wait for their key: every
// order of events for up to four children.

#include <fanout/detail/fan_core.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
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

/// doctest's macros would take most of the time, at millions of checks.
void expect(bool holds, int line) {
    if (!holds) {
        FAIL("the check in line " << line << " does not hold");
    }
}

struct setup {
    std::vector<bool> fails; // per child: its first attempt is rejected
    std::size_t permits = 1; // of the shared limit; another call may hold some of them
    std::vector<int> keys;   // per child; one at a time of each. Empty: not keyed
    std::size_t lookahead = ~std::size_t{0};
    bool fail_fast = false;
    std::uint32_t max_attempts = 1;
    bool by_input = false; // an input is pulled before its permit is asked for
};

/// A shell without Asio around a core, beside a limit that another call uses too. Copied at each fork of the walk.
struct world {
    using core_type = fan_core<int, std::size_t>;

    explicit world(setup const& s) : how(&s), core(config(s)), seen(s.fails.size()), free(s.permits) {
        pump();
        finish();
    }

    static core_type::config config(setup const& s) {
        core_type::config c;
        c.window = 3;
        c.lookahead = s.lookahead;
        c.fail_fast = s.fail_fast;
        c.max_attempts = s.max_attempts;
        return c;
    }

    struct lane {
        ticket work;
        bool running = true; // else it is about to end
        bool permit = false;
    };
    struct child {
        std::uint32_t starts = 0;
        bool running = false;
        bool asleep = false;
        char outcome = '-';
    };

    setup const* how;
    core_type core;
    std::vector<child> seen;
    std::size_t free;
    std::vector<lane> lanes;
    std::map<int, std::deque<ticket>> busy; // keys that are held, and who waits for them
    std::deque<ticket> ready;               // got their key
    std::vector<ticket> head;               // waits for a permit of its own: one at most
    bool spare = false;                     // a permit that was waited for
    bool withdrawn = false;
    bool other = false; // the other call holds a permit
    int others_turns = 2;
    int now = 0;
    bool stopped = false;
    int completions = 0;

    std::size_t held() const {
        return static_cast<std::size_t>(
                   std::count_if(lanes.begin(), lanes.end(), [](lane const& l) { return l.permit; })) +
               (spare ? 1 : 0) + (other ? 1 : 0);
    }

    bool get_permit(lane& l) {
        if (std::exchange(spare, false)) {
            return l.permit = true;
        }
        if (free > 0) {
            --free;
            return l.permit = true;
        }
        return false;
    }

    void ask() {
        expect(!core.asking(), __LINE__); // a fan-out stands in the line once
        core.asked();
        withdrawn = false;
    }

    bool take(lane& l) {
        auto const got = find(l);
        if (!got && std::exchange(l.permit, false)) {
            ++free;
        }
        return got;
    }

    bool find(lane& l) {
        if (how->by_input && core.asking()) {
            return false;
        }
        for (;;) {
            if (!how->by_input && !l.permit) {
                if (!core.wants_lane()) {
                    return false;
                }
                if (!get_permit(l)) {
                    ask();
                    return false;
                }
            }
            ticket work;
            switch (core.take()) {
            case grant::none: return false;
            case grant::parked: {
                auto& from = how->by_input && !head.empty() ? head.front() : ready.front();
                work = from;
                if (&from == (head.empty() ? nullptr : &head.front())) {
                    head.clear();
                } else {
                    ready.pop_front();
                }
                core.resumed(work);
                break;
            }
            case grant::retry: {
                work = core.retry().first;
                expect(seen[work.index].asleep, __LINE__);
                seen[work.index].asleep = false;
                break;
            }
            case grant::fresh:
                if (core.pulled_count() == seen.size()) {
                    core.source_ended();
                    continue;
                }
                work = core.pulled();
                if (!how->keys.empty()) {
                    auto const [key, fresh] = busy.try_emplace(how->keys[work.index]);
                    if (!fresh) {
                        key->second.push_back(work);
                        core.parked(work);
                        expect(parked() <= how->lookahead, __LINE__);
                        continue;
                    }
                }
            }
            if (how->by_input && !get_permit(l)) {
                head.push_back(work);
                core.parked(work);
                ask();
                return false;
            }
            start(l, work);
            return true;
        }
    }

    std::size_t parked() const {
        auto n = ready.size();
        for (auto const& [key, waiting] : busy) {
            n += waiting.size();
        }
        return n;
    }

    void start(lane& l, ticket work) {
        expect(!stopped, __LINE__);
        auto& c = seen[work.index];
        expect(!c.running, __LINE__);
        expect(++c.starts == work.attempt, __LINE__);
        c.running = true;
        l.work = work;
        l.running = true;
        expect(l.permit, __LINE__); // nothing runs without a permit
        for (std::size_t i = 0; !how->keys.empty() && i < seen.size(); ++i) {
            if (i != work.index && how->keys[i] == how->keys[work.index]) {
                expect(!seen[i].running, __LINE__);                // one at a time of a key
                expect(i > work.index || seen[i].outcome == 'f' || // in order, retries included
                           (seen[i].outcome == 'r' && !seen[i].asleep),
                       __LINE__);
            }
        }
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
        if (std::exchange(spare, false)) {
            ++free;
        }
    }

    void finish() {
        std::sort(lanes.begin(), lanes.end(), [](lane const& a, lane const& b) {
            return std::pair(a.running ? a.work.index : ~std::size_t{0}, a.running) <
                   std::pair(b.running ? b.work.index : ~std::size_t{0}, b.running);
        });
        expect(held() + free == how->permits, __LINE__);
        if (core.finish()) {
            ++completions;
            expect(lanes.empty() && !core.asking() && !spare && ready.empty() && head.empty(), __LINE__);
            expect(free + (other ? 1 : 0) == how->permits, __LINE__); // no permit is kept
        }
        expect(completions <= 1, __LINE__);
        // The shell withdraws what it waits for in vain; whether it got it nevertheless is left to the walk.
        withdrawn = withdrawn || (core.asking() && !core.has_use_for_permit());
    }

    // ---- events

    void settle(std::size_t k, bool renew) {
        auto& l = lanes[k];
        auto& c = seen[l.work.index];
        c.running = false;
        if (!renew) {
            l.permit = false;
            ++free;
        }
        auto again = false;
        if (!how->fails[l.work.index] || l.work.attempt > 1) {
            core.fulfilled();
            c.outcome = 'f';
        } else {
            c.outcome = 'r';
            switch (core.rejected(l.work, true)) {
            case verdict::final: break;
            case verdict::stop: note_stop(); break;
            case verdict::retry:
                core.sleep(l.work, now + 1, std::size_t(l.work.index));
                again = c.asleep = true;
                break;
            }
        }
        if (!how->keys.empty() && !again && !stopped) { // one that sleeps keeps its key
            auto const key = busy.find(how->keys[l.work.index]);
            if (key->second.empty()) {
                busy.erase(key);
            } else {
                ready.push_back(key->second.front());
                key->second.pop_front();
                core.may_resume();
            }
        }
        if (!take(l)) {
            l.running = false;
        }
        pump();
        finish();
    }

    void end_lane(std::size_t k) {
        expect(!lanes[k].permit, __LINE__); // a lane without work holds no permit
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

    /// The limit answers: with a permit, or, where the fan-out has withdrawn, without one.
    void answer(bool granted) {
        if (granted) {
            --free;
        }
        core.answered();
        spare = granted;
        if (!head.empty()) {
            core.may_resume();
        }
        pump();
        finish();
    }

    void stop() {
        if (core.stop(stop_cause::caller)) {
            note_stop();
        }
        finish();
    }

    void note_stop() {
        stopped = true;
        ready.clear();
        head.clear();
        busy.clear();
        for (auto& c : seen) {
            c.asleep = false;
        }
    }

    void toggle_other() {
        if (other) {
            ++free;
        } else {
            --free;
        }
        other = !other;
        --others_turns;
        finish();
    }

    std::string key() const {
        std::string k;
        for (auto const& l : lanes) {
            k += l.running ? static_cast<char>('0' + l.work.index) : 'E';
            k += l.permit ? 'p' : '-';
        }
        k += '|';
        for (auto const& c : seen) {
            k += static_cast<char>('0' + c.starts);
            k += c.asleep ? 'z' : c.running ? 'r' : '.';
            k += c.outcome;
        }
        k += '|' + std::to_string(free) + (core.asking() ? 'a' : '-') + (withdrawn ? 'w' : '-') +
             (other ? 'o' : '-');
        k += static_cast<char>('0' + others_turns);
        for (auto const& t : ready) {
            k += static_cast<char>('a' + t.index);
        }
        k += '|';
        for (auto const& t : head) {
            k += static_cast<char>('a' + t.index);
        }
        for (auto const& [name, waiting] : busy) {
            k += '/' + std::to_string(name);
            for (auto const& t : waiting) {
                k += static_cast<char>('a' + t.index);
            }
        }
        auto const due = core.next_due();
        k += '|' + std::to_string(due ? *due - now : -1) + '|' + std::to_string(core.pulled_count());
        k += stopped ? 's' : 'g';
        k += core.exhausted() ? 'x' : '-';
        k += static_cast<char>('0' + completions);
        return k;
    }
};

struct walk {
    std::unordered_map<std::string, double> known;

    double from(world const& w, bool may_stop) {
        auto const key = w.key() + (may_stop ? '+' : '-');
        if (auto const at = known.find(key); at != known.end()) {
            return at->second;
        }
        double orders = 0;
        auto const follow = [&](auto event, bool stop_left) {
            world next = w;
            event(next);
            orders += from(next, stop_left);
        };
        for (std::size_t k = 0; k < w.lanes.size(); ++k) {
            if (w.lanes[k].running) {
                follow([k](world& n) { n.settle(k, false); }, may_stop);
                if (!w.how->by_input) {
                    follow([k](world& n) { n.settle(k, true); }, may_stop);
                }
            } else {
                follow([k](world& n) { n.end_lane(k); }, may_stop);
            }
        }
        if (w.core.next_due()) {
            follow([](world& n) { n.tick(); }, may_stop);
        }
        if (w.core.asking() && w.free > 0) { // withdrawn or not: the permit may have been on its way
            follow([](world& n) { n.answer(true); }, may_stop);
        }
        if (w.core.asking() && w.withdrawn) {
            follow([](world& n) { n.answer(false); }, may_stop);
        }
        if (w.other || (w.others_turns > 1 && w.free > 0)) {
            follow([](world& n) { n.toggle_other(); }, may_stop);
        }
        if (may_stop && w.completions == 0) {
            follow([](world& n) { n.stop(); }, false);
        }
        if (orders == 0) {
            check_end(w);
            orders = 1;
        }
        return known[key] = orders;
    }

    static void check_end(world const& w) {
        expect(w.completions == 1, __LINE__); // it never hangs
        expect(w.free == w.how->permits, __LINE__);
        std::size_t started = 0;
        for (std::size_t i = 0; i < w.seen.size(); ++i) {
            auto const& c = w.seen[i];
            expect((c.starts > 0) == (c.outcome != '-'), __LINE__);
            started += c.starts > 0 ? 1 : 0;
            if (!w.stopped) {
                expect(c.outcome == (w.how->fails[i] && w.how->max_attempts == 1 ? 'r' : 'f'), __LINE__);
            }
        }
        expect(started + w.core.skipped_count() == w.core.pulled_count(),
               __LINE__); // what was pulled is accounted for
    }
};

template <class F>
void for_each_failing(std::size_t n, F f) {
    for (unsigned bits = 0; bits < 1U << n; ++bits) {
        std::vector<bool> fails(n);
        for (std::size_t i = 0; i < n; ++i) {
            fails[i] = (bits >> i & 1) != 0;
        }
        f(fails);
    }
}

} // namespace

TEST_CASE("permits of a shared limit: every order ends once, stands in the line once, and keeps no permit") {
    double orders = 0;
    for (std::size_t n = 0; n <= 4; ++n) {
        for (std::size_t permits = 1; permits <= 2; ++permits) {
            for_each_failing(n, [&](std::vector<bool> const& fails) {
                for (auto const& [fail_fast, attempts] : {std::pair{true, 1U}, {false, 1U}, {false, 2U}}) {
                    for (bool const by_input : {false, true}) {
                        setup const s{fails, permits, {}, ~std::size_t{0}, fail_fast, attempts, by_input};
                        orders += walk().from(world(s), true);
                    }
                }
            });
        }
    }
    std::cout << "fan_core with a shared limit: " << orders << " orders of events walked\n";
    CHECK(orders > 1e6);
}

TEST_CASE(
    "keys: one at a time of each, in order, retries included; parked inputs are neither lost nor forgotten") {
    double orders = 0;
    for (std::vector<int> const& keys :
         {std::vector<int>{1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {1, 1, 1, 2}, {1, 1, 2, 2}}) {
        for (std::size_t const lookahead : {1U, 2U, 8U}) {
            for_each_failing(keys.size(), [&](std::vector<bool> const& fails) {
                for (auto const& [fail_fast, attempts] : {std::pair{true, 1U}, {false, 1U}, {false, 2U}}) {
                    for (bool const by_input : {false, true}) {
                        setup const s{fails, 2, keys, lookahead, fail_fast, attempts, by_input};
                        orders += walk().from(world(s), true);
                    }
                }
            });
        }
    }
    std::cout << "fan_core with keys: " << orders << " orders of events walked\n";
    CHECK(orders > 1e6);
}
