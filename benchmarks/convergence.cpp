// SPDX-License-Identifier: BSL-1.0

// How the limits find the level of a simulated backend, in virtual time: three algorithms and three fixed
// limits, against a backend that rejects what is too much and one that queues it. Exit status 1 where a cell
// misses that is to hold.

#include <fanout/detail/round_trips.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/testing/convergence.hpp>
#include <fanout/testing/simulation.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

using fanout::testing::backend;
using fanout::testing::phase;
using fanout::testing::settling;

constexpr char const* about =
    "How fast a limit settles within 25 % of the optimum of a simulated backend, and what of the backend's\n"
    "capacity it then uses. All in virtual time.";

struct arguments {
    std::size_t slots = 40;
    std::size_t network = 2;
    std::size_t jitter = 0;
    std::size_t seed = 1;
};

constexpr std::size_t round_trips = 400; // of each phase
constexpr std::size_t in_time = 50;
constexpr double enough_goodput = 0.9;

// A limit that never moves.
class fixed {
public:
    explicit fixed(std::size_t n) : limit_(n) {}
    std::size_t limit() const noexcept { return limit_; }
    static void on_sample(fanout::sample const&) noexcept {}

private:
    std::size_t limit_;
};

std::vector<settling> run(arguments const& a, backend::overload when_full, auto algorithm) {
    std::chrono::nanoseconds const service = std::chrono::milliseconds(10);
    fanout::testing::simulation s;
    backend b(s, {.when_full = when_full,
                  .slots = a.slots,
                  .service = service,
                  .network = service * static_cast<int>(a.network) / 100,
                  .jitter = static_cast<double>(a.jitter) / 100,
                  .seed = static_cast<std::uint32_t>(a.seed)});
    fanout::detail::round_trips<decltype(algorithm)> limit(algorithm);
    fanout::testing::closed_loop loop(s, b, limit);
    std::array const phases{phase{a.slots, round_trips}, phase{a.slots / 2, round_trips},
                            phase{a.slots, round_trips}, phase{2 * a.slots, round_trips}};
    return fanout::testing::watch(s, b, phases, [&] { return limit.limit(); }, [&] { return s.step(); });
}

bool holds(settling const& r) { return r.settled && r.round_trips <= in_time && r.goodput >= enough_goodput; }

// One line of the table: what of it must hold, or why it cannot.
struct contender {
    char const* name;
    bool named;
    char const* why_not;
};

// Prints a line; returns how many of its cells are to hold and miss.
int print(contender const& c, char const* start, std::vector<settling> const& phases) {
    std::printf("%-10s %-6s", c.name, start);
    int missed = 0;
    bool all = true;
    for (auto const& r : phases) {
        bool const ok = holds(r);
        all = all && ok;
        missed += c.named && !ok ? 1 : 0;
        if (r.settled) {
            std::printf(" | %4zu %4.0f %4.0f%% %4.0f%%%s", r.round_trips, r.unloaded_latencies,
                        100 * r.goodput, 100 * r.whole,
                        ok        ? "  "
                        : c.named ? " !"
                                  : " -");
        } else {
            std::printf(" | %4s %4s %4s  %4.0f%%%s", "-", "-", "-", 100 * r.whole, c.named ? " !" : " -");
        }
    }
    std::printf(" | %s\n", c.named ? (missed == 0 ? "holds" : "MISSES")
                           : all   ? "holds (not asked)"
                                   : c.why_not);
    return missed;
}

template <class Algorithm>
int adaptive(arguments const& a, backend::overload when_full, contender const& c) {
    int missed = 0;
    for (std::size_t const initial : {std::size_t{1}, std::size_t{1000}}) {
        auto const start = initial == 1 ? "1" : "1000";
        missed += print(c, start, run(a, when_full, Algorithm({.maximum = 1000, .initial = initial})));
    }
    return missed;
}

int table(arguments const& a, backend::overload when_full) {
    bool const rejects = when_full == backend::overload::rejects;
    std::printf("\nA backend that %s what it has no free slot for\n", rejects ? "rejects" : "queues");
    std::printf("%-10s %-6s", "limit", "start");
    for (auto const n : {a.slots, a.slots / 2, a.slots, 2 * a.slots}) {
        std::printf(" | %4zu slots            ", n);
    }
    std::printf(" |\n");
    char const* const never = "no rejection tells it: it grows to its maximum";
    char const* const timid = "a sign of overload takes only log10 L of L: it stays above the optimum";
    int missed = adaptive<fanout::aimd>(a, when_full, {"aimd", rejects, never});
    missed += adaptive<fanout::vegas>(a, when_full, {"vegas", !rejects, timid});
    missed += adaptive<fanout::gradient2>(a, when_full, {"gradient2", true, ""});
    char const* const still = "does not move";
    print({"C/2", false, still}, "fixed", run(a, when_full, fixed((std::max)(a.slots / 2, std::size_t{1}))));
    print({"C", false, still}, "fixed", run(a, when_full, fixed(a.slots)));
    print({"4C", false, still}, "fixed", run(a, when_full, fixed(4 * a.slots)));
    return missed;
}

void add_options(CLI::App& app, arguments& a) {
    auto const add = [&app](char const* name, std::size_t& value, std::size_t least, std::size_t most,
                            char const* what) {
        app.add_option(name, value, what)->check(CLI::Range(least, most))->capture_default_str();
    };
    add("--slots", a.slots, 8, 400, "Calls that the backend serves at once; then half, N again, 2 N");
    add("--network", a.network, 1, 100, "The network's latency in per cent of the service time");
    add("--jitter", a.jitter, 0, 90, "Service and network are uniform within +- so many per cent");
    add("--seed", a.seed, 1, 1000000, "Of the jitter");
}

} // namespace

int main(int argc, char** argv) {
    arguments a;
    CLI::App app(about, "convergence");
    add_options(app, a);
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    std::printf(
        "C = %zu slots, then half, then C again, then 2 C, for %zu unloaded round trips each; service 10 ms, "
        "network %zu %%, jitter %zu %%\n"
        "Per cell: round trips until the limit settled within 25 %% of the optimum, each as long as a call "
        "took\n"
        "at that moment; the same time in unloaded round trips; goodput in %% of the slots' capacity once "
        "settled,\n"
        "and in the whole phase. A fixed limit cannot exceed 100 %%. - does not hold 50 round trips and 90 "
        "%%;\n"
        "! should, and does not.\n",
        a.slots, round_trips, a.network, a.jitter);
    int const missed = table(a, backend::overload::rejects) + table(a, backend::overload::queues);
    if (missed != 0) {
        std::printf("\nMISS: %d cells that are to settle in %zu round trips with 90 %% do not\n", missed,
                    in_time);
        return 1;
    }
    std::printf("\nok: aimd and gradient2 on rejections, vegas and gradient2 on queues: all settle in %zu "
                "round trips, "
                "with 90 %% or more\n",
                in_time);
}
