// SPDX-License-Identifier: BSL-1.0
//
// Sleepers that stand for calls on a network: awaited one after another, all at once, and with one that fails.

#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../support/program.hpp"
#include "../support/report.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using support::in_units;

namespace {

// [sleeper]
struct sleeper {
    int units;
    bool fails = false;
};

// Where sleepers sleep; tells when each woke, and how.
class dormitory {
public:
    dormitory(std::chrono::milliseconds unit, support::notebook& notes) : unit_(unit), notes_(notes) {}

    asio::awaitable<int> sleep(sleeper who) {
        asio::steady_timer timer(co_await asio::this_coro::executor, who.units * unit_);
        ++asleep_;
        boost::system::error_code cancelled;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        --asleep_;
        tell(who, cancelled ? "was cancelled" : who.fails ? "failed" : "woke");
        if (cancelled)
            throw boost::system::system_error(cancelled);
        if (who.fails)
            throw std::runtime_error("the sleeper of " + std::to_string(who.units) + " failed");
        co_return who.units;
    }
    // [/sleeper]

    // Time begins anew.
    void open(std::string const& what) {
        notes_.say() << what << ":\n";
        watch_ = {};
    }

    int asleep() const { return asleep_; }
    std::string time() const { return in_units(watch_.elapsed(), unit_); }

    // Half a unit is what a busy machine may take from us.
    bool it_is(int units) const {
        using in_unit = std::chrono::duration<double, std::milli>;
        return std::abs(in_unit(watch_.elapsed()) / in_unit(unit_) - units) < 0.5;
    }

private:
    void tell(sleeper who, char const* what) const {
        notes_.say() << "  at " << time() << " the sleeper of " << who.units << ' ' << what << '\n';
    }

    std::chrono::milliseconds unit_;
    support::notebook& notes_;
    support::stopwatch watch_;
    int asleep_ = 0;
};

// What a row of the picture is called.
support::notebook::labels units(std::vector<int> of) {
    return [of = std::move(of)](std::size_t i) {
        return std::to_string(of[i]) + (of[i] == 1 ? " unit" : " units");
    };
}

asio::awaitable<bool> one_after_another(dormitory& beds, support::notebook& notes) {
    beds.open("one after another");
    notes.record("one after another", units({3, 2, 1}));
    // [sequential]
    std::vector<sleeper> const sleepers{{3}, {2}, {1}};
    auto watched = notes.loop("one after another", sleepers.size());
    for (auto const& who : sleepers)
        co_await watched(beds.sleep(who));
    // [/sequential]
    notes.report("sleepers: one after another", "6.006 s", beds.time() + " units");
    co_return beds.it_is(6);
}

asio::awaitable<bool> all_at_once(dormitory& beds, support::notebook& notes) {
    beds.open("when_all");
    notes.record("when_all", units({3, 2, 1}));
    // [when_all]
    std::vector<sleeper> const sleepers{{3}, {2}, {1}};
    auto const sleep = [&](sleeper who) { return beds.sleep(who); };
    auto const slept = co_await fanout::when_all(sleepers, sleep, notes.record("when_all"));
    // [/when_all]
    notes.report("sleepers: when_all", "3.001 s", beds.time() + " units");
    // In the order of the inputs, although they woke the other way round.
    co_return beds.it_is(3) && slept == std::vector{3, 2, 1};
}

asio::awaitable<bool> one_fails(dormitory& beds, support::notebook& notes) {
    beds.open("when_all, and the third of four fails");
    notes.record("when_all, one fails", units({1, 2, 3, 4}));
    std::string what = "nothing was rejected";
    // [one_fails]
    std::vector<sleeper> const sleepers{{1}, {2}, {.units = 3, .fails = true}, {4}};
    auto const sleep = [&](sleeper who) { return beds.sleep(who); };
    try {
        co_await fanout::when_all(sleepers, sleep, notes.record("when_all, one fails"));
    } catch (std::runtime_error const& e) {
        what = e.what();
    }
    // Nobody sleeps on: the fourth was cancelled, and has ended.
    auto const left = beds.asleep();
    // [/one_fails]
    notes.say() << "  at " << beds.time() << " when_all has thrown: " << what << "; asleep: " << left << '\n';
    notes.report("sleepers: when_all, the third of four fails",
                 "rejected at 3 s; the fourth sleeps on, to 4 s",
                 "rejected at " + beds.time() + " units; asleep then: " + std::to_string(left));
    co_return beds.it_is(3) && left == 0 && what == "the sleeper of 3 failed";
}

asio::awaitable<bool> settled(dormitory& beds, support::notebook& notes) {
    beds.open("when_all_settled, and the third of four fails");
    notes.record("when_all_settled, one fails", units({1, 2, 3, 4}));
    // [settled]
    std::vector<sleeper> const sleepers{{1}, {2}, {.units = 3, .fails = true}, {4}};
    auto const sleep = [&](sleeper who) { return beds.sleep(who); };
    auto const outcomes =
        co_await fanout::when_all_settled(sleepers, sleep, notes.record("when_all_settled, one fails"));
    std::string states;
    for (auto const& outcome : outcomes)
        states += std::string(states.empty() ? "" : " ") + fanout::to_string(fanout::state_of(outcome));
    // [/settled]
    std::string const expected = "fulfilled fulfilled rejected fulfilled";
    notes.report("sleepers: when_all_settled", "4 s: " + expected, beds.time() + " units: " + states);
    co_return beds.it_is(4) && states == expected;
}

asio::awaitable<bool> run(std::chrono::milliseconds unit, support::notebook& notes) {
    dormitory beds(unit, notes);
    auto right = co_await one_after_another(beds, notes);
    right &= co_await all_at_once(beds, notes);
    right &= co_await one_fails(beds, notes);
    right &= co_await settled(beds, notes);
    co_return right;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Awaits sleepers one after another and all at once, and lets one of them fail.", "sleepers");
    std::chrono::milliseconds unit{1000};
    support::add_unit(app, unit);
    return support::run_program(app, argc, argv, [&](support::notebook& notes) { return run(unit, notes); });
}
