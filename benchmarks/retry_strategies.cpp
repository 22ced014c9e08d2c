// SPDX-License-Identifier: BSL-1.0

// Three ways to run again what a backend refuses now and then, in virtual time on one io_context: in rounds with a
// barrier, inside each permit, and retry_rejected. Exit status 1 where retry_rejected is not the fastest.

#include <fanout/limit/window.hpp>
#include <fanout/options.hpp>
#include <fanout/retry/attempt.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/testing/virtual_clock.hpp>
#include <fanout/when_all_settled.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <vector>

namespace {

namespace asio = boost::asio;
using fanout::testing::virtual_clock;
using duration = virtual_clock::duration;

constexpr char const* about =
    "How long three ways of retrying take against a backend that fails now and then. All in virtual time.\n"
    "Exit status 1 where retry_rejected is not the fastest; 2 where an argument is wrong.";

struct arguments {
    std::size_t inputs = 1000;
    std::size_t limit = 16;
    std::size_t fails = 30;
    std::size_t call = 10;
    std::size_t spread = 50;
    std::size_t attempts = 10;
    std::size_t base = 50;
    std::size_t cap = 1000;
    std::size_t seed = 1;

    std::uint32_t max_attempts() const { return static_cast<std::uint32_t>(attempts); }
};

// Without jitter, so that each strategy sleeps the same before the same attempt.
struct doubling {
    std::chrono::nanoseconds base;
    std::chrono::nanoseconds cap;

    explicit doubling(arguments const& a)
        : base(std::chrono::milliseconds(a.base)), cap(std::chrono::milliseconds(a.cap)) {}

    duration before(std::uint32_t retry) const {
        auto d = (std::min)(base, cap);
        for (; retry > 0 && d < cap && d.count() > 0; --retry) {
            d = (std::min)(2 * d, cap);
        }
        return d;
    }

    template <class Generator>
    duration delay(std::uint32_t retry, Generator&) const {
        return before(retry);
    }
};

asio::awaitable<void> sleep(duration d) {
    asio::basic_waitable_timer<virtual_clock> timer(co_await asio::this_coro::executor, d);
    co_await timer.async_wait(asio::deferred);
}

// What becomes of a call depends on its input and attempt alone, so that each strategy meets the same fate.
class backend {
public:
    explicit backend(arguments const& a) : arguments_(a) {}

    duration takes(std::size_t input, std::uint32_t attempt) const {
        auto const around =
            1 + static_cast<double>(arguments_.spread) / 100 * (2 * drawn(input, attempt, 1) - 1);
        return std::chrono::nanoseconds(std::chrono::microseconds(
            static_cast<std::int64_t>(static_cast<double>(arguments_.call) * 1000 * around)));
    }

    bool fails(std::size_t input, std::uint32_t attempt) const {
        return drawn(input, attempt, 2) < static_cast<double>(arguments_.fails) / 100;
    }

    asio::awaitable<void> call(std::size_t input, std::uint32_t attempt) {
        ++calls_;
        peak_ = (std::max)(peak_, ++running_);
        co_await sleep(takes(input, attempt));
        --running_;
        if (fails(input, attempt)) {
            throw boost::system::system_error(asio::error::connection_reset);
        }
    }

    std::size_t calls() const { return calls_; }
    std::size_t peak() const { return peak_; }

private:
    // In [0, 1): splitmix64 over the four numbers.
    double drawn(std::size_t input, std::uint32_t attempt, std::uint64_t what) const {
        std::uint64_t h = 0;
        for (std::uint64_t const n :
             {std::uint64_t{arguments_.seed}, std::uint64_t{input}, std::uint64_t{attempt}, what}) {
            h += n + 0x9e3779b97f4a7c15U;
            h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
            h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
            h ^= h >> 31;
        }
        return static_cast<double>(h >> 11) * 0x1p-53;
    }

    arguments arguments_;
    std::size_t calls_ = 0;
    std::size_t running_ = 0;
    std::size_t peak_ = 0;
};

std::vector<std::size_t> inputs_of(arguments const& a) {
    std::vector<std::size_t> inputs(a.inputs);
    std::iota(inputs.begin(), inputs.end(), std::size_t{0});
    return inputs;
}

template <class Outcomes>
std::size_t count_failed(Outcomes const& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](auto const& o) { return !o.has_value(); }));
}

// All of a round, then what failed of it, by fresh calls, after one sleep. Returns how many inputs failed for good.
asio::awaitable<std::size_t> in_rounds(arguments const& a, backend& b) {
    doubling const backoff(a);
    auto left = inputs_of(a);
    for (std::uint32_t attempt = 1;; ++attempt) {
        auto const call = [&](std::size_t input) { return b.call(input, attempt); };
        auto const outcomes = co_await fanout::when_all_settled(left, call, fanout::limit(a.limit));
        std::vector<std::size_t> failed;
        for (std::size_t i = 0; i < left.size(); ++i) {
            if (!outcomes[i].has_value()) {
                failed.push_back(left[i]);
            }
        }
        if (failed.empty() || attempt == a.max_attempts()) {
            co_return failed.size();
        }
        left = failed;
        co_await sleep(backoff.before(attempt - 1));
    }
}

asio::awaitable<void> until_it_works(arguments const& a, backend& b, std::size_t input) {
    doubling const backoff(a);
    for (std::uint32_t attempt = 1;; ++attempt) {
        try {
            co_await b.call(input, attempt);
            co_return;
        } catch (boost::system::system_error const&) {
            if (attempt == a.max_attempts()) {
                throw;
            }
        }
        co_await sleep(backoff.before(attempt - 1));
    }
}

// Each child tries, sleeps and tries again while it holds its permit.
asio::awaitable<std::size_t> inside_the_permit(arguments const& a, backend& b) {
    auto const inputs = inputs_of(a);
    auto const child = [&](std::size_t input) { return until_it_works(a, b, input); };
    auto const outcomes = co_await fanout::when_all_settled(inputs, child, fanout::limit(a.limit));
    co_return count_failed(outcomes);
}

asio::awaitable<std::size_t> ours(arguments const& a, backend& b) {
    auto const inputs = inputs_of(a);
    auto const call = [&](std::size_t input, fanout::basic_attempt<virtual_clock> const& attempt) {
        return b.call(input, attempt.number);
    };
    fanout::retry_policy<doubling> const policy{.max_attempts = a.max_attempts(), .backoff = doubling(a)};
    auto const done = co_await fanout::retry_rejected(inputs, call, policy, fanout::limit(a.limit),
                                                      fanout::basic_options<virtual_clock>{});
    co_return done.failed();
}

struct measured {
    duration time{};
    std::size_t calls = 0;
    std::size_t peak = 0;
    std::size_t failed = 0;
};

template <class Strategy>
measured run(arguments const& a, Strategy strategy) {
    asio::io_context context(1);
    backend b(a);
    auto failed = asio::co_spawn(context, strategy(a, b), asio::use_future);
    measured m;
    m.time = fanout::testing::run(context);
    m.calls = b.calls();
    m.peak = b.peak();
    m.failed = failed.get();
    return m;
}

// What no order of the calls can beat.
struct bounds {
    explicit bounds(arguments const& a) {
        backend const b(a);
        doubling const backoff(a);
        for (std::size_t input = 0; input < a.inputs; ++input) {
            duration chain{};
            for (std::uint32_t attempt = 1; attempt <= a.max_attempts(); ++attempt) {
                chain += attempt > 1 ? backoff.before(attempt - 2) : duration();
                chain += b.takes(input, attempt);
                work += b.takes(input, attempt);
                if (!b.fails(input, attempt)) {
                    break;
                }
            }
            longest_chain = (std::max)(longest_chain, chain);
        }
        work /= static_cast<duration::rep>((std::min)(a.limit, a.inputs));
    }

    duration work{};          ///< all calls, with `limit` of them always under way
    duration longest_chain{}; ///< the calls and sleeps of the input that fails most
};

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

double ratio(duration a, duration b) { return seconds(a) / seconds(b); }

void print(char const* name, measured const& m, duration against) {
    std::printf("%-26s %9zu %8zu %6zu %11.3f s %9.2f\n", name, m.calls, m.failed, m.peak, seconds(m.time),
                ratio(m.time, against));
}

int compare(arguments const& a) {
    auto const rounds = run(a, in_rounds);
    auto const inside = run(a, inside_the_permit);
    auto const mine = run(a, ours);
    bounds const least(a);

    std::printf(
        "%zu inputs, %zu at once; a call takes %zu ms +- %zu %%, and %zu %% of them fail; at most %zu "
        "attempts;\n"
        "sleeps of %zu ms, doubled up to %zu ms, without jitter\n\n",
        a.inputs, a.limit, a.call, a.spread, a.fails, a.attempts, a.base, a.cap);
    std::printf("%-26s %9s %8s %6s %13s %9s\n", "strategy", "calls", "given up", "peak", "virtual time",
                "to ours");
    print("rounds with a barrier", rounds, mine.time);
    print("retry inside the permit", inside, mine.time);
    print("retry_rejected", mine, mine.time);
    auto const bound = (std::max)(least.work, least.longest_chain);
    std::printf(
        "\nNo order of these calls takes less than %.3f s: all calls, %zu at once, take %.3f s, the input "
        "that fails\nmost, with its sleeps, %.3f s. Ours takes %.2f of that.\n",
        seconds(bound), a.limit, seconds(least.work), seconds(least.longest_chain), ratio(mine.time, bound));

    for (auto const& other : {rounds, inside}) {
        if (other.calls != mine.calls || other.failed != mine.failed) {
            std::printf("\nMISS: the strategies made different calls, so their times cannot be compared\n");
            return 1;
        }
    }
    auto const next = (std::min)(rounds.time, inside.time);
    auto const name = rounds.time < inside.time ? "rounds with a barrier" : "retry inside the permit";
    if (next > mine.time) {
        std::printf("\nok: retry_rejected is the fastest; %s comes next, with %.3f times its time\n", name,
                    ratio(next, mine.time));
        return 0;
    }
    std::printf("\nMISS: retry_rejected is not the fastest: %s takes %.4f of its time\n", name,
                ratio(next, mine.time));
    if (ratio(least.longest_chain, mine.time) > 0.9) {
        std::printf("The input that fails most decides here: it alone takes %.4f of ours, in any order\n",
                    ratio(least.longest_chain, mine.time));
    }
    return 1;
}

void add_options(CLI::App& app, arguments& a) {
    auto const add = [&app](char const* name, std::size_t& value, std::size_t least, std::size_t most,
                            char const* what) {
        app.add_option(name, value, what)->check(CLI::Range(least, most))->capture_default_str();
    };
    add("--inputs", a.inputs, 1, 1000000, "How many calls there are to make");
    add("--limit", a.limit, 1, 1000000, "Calls at once");
    add("--fails", a.fails, 0, 90, "How many per cent of the calls fail");
    add("--call", a.call, 1, 100000, "What a call takes, in ms");
    add("--spread", a.spread, 0, 100, "Each call takes that, uniform within +- so many per cent");
    add("--attempts", a.attempts, 1, 100, "Calls per input at most, the first included");
    add("--base", a.base, 0, 100000,
        "The first sleep in ms; each further one is twice as long, without jitter,");
    add("--cap", a.cap, 0, 1000000, "but at most this");
    add("--seed", a.seed, 0, 1000000, "Of failures and times");
}

} // namespace

int main(int argc, char** argv) {
    arguments a;
    CLI::App app(about, "retry_strategies");
    add_options(app, a);
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        return compare(a);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "retry_strategies: %s\n", e.what());
        return 1;
    }
}
