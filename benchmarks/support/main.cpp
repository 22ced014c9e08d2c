// SPDX-License-Identifier: BSL-1.0

// The main program of each benchmark: see `usage`.

#include "allocations.hpp"
#include "bench.hpp"

#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace bench {
namespace {

constexpr char const* usage =
    R"(usage: PROGRAM [--benchmark_…]   times each contender, with Google Benchmark's options
       PROGRAM --list           a line for each: name, floor, what one of N is, sizes
       PROGRAM --run NAME N     runs it once with N children, for callgrind
       PROGRAM --count NAME N   runs it with N and with 2 N children; prints allocations and memory as JSON
)";

struct bad_argument : std::runtime_error {
    using std::runtime_error::runtime_error;
};

double seconds_taken = 0;

// A function's own: the contenders register themselves before main, in any order.
std::vector<contender>& contenders() {
    static std::vector<contender> all;
    return all;
}

contender const& find(std::string_view name) {
    auto const found = std::ranges::find(contenders(), name, &contender::name);
    if (found == contenders().end()) {
        throw bad_argument("no contender is called '" + std::string(name) + "'; --list tells the names");
    }
    return *found;
}

std::size_t number(std::string_view text) {
    std::size_t n = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n == 0) {
        throw bad_argument("N must be a positive number, not '" + std::string(text) + "'");
    }
    return n;
}

void list() {
    for (auto const& each : contenders()) {
        std::printf("%s\t%s\t%s\t", each.name.c_str(), each.settings.floor.c_str(),
                    each.settings.each.c_str());
        for (char const* separator = ""; auto const size : each.settings.sizes) {
            std::printf("%s%zu", separator, size);
            separator = ",";
        }
        std::printf("\n");
    }
}

// The counting functions are in a library of their own, which is loaded before the C library. So what is timed, and
// what runs under callgrind, has the allocator that a user's program has.
bench_allocations_function* counting(char** arguments) {
    if (auto* const found = ::dlsym(RTLD_DEFAULT, "bench_allocations")) {
        return reinterpret_cast<bench_allocations_function*>(found);
    }
    if (std::getenv("LD_PRELOAD") == nullptr && ::setenv("LD_PRELOAD", BENCH_ALLOCATIONS_LIBRARY, 1) == 0) {
        ::execv("/proc/self/exe", arguments);
    }
    throw std::runtime_error("cannot count allocations: " BENCH_ALLOCATIONS_LIBRARY " is not loaded");
}

bench_allocations_made measure(contender const& one, std::size_t n, bench_allocations_function* counts) {
    auto const before = counts();
    one.run(n);
    auto const after = counts();
    return {after.count - before.count, after.bytes - before.bytes, after.live - before.live,
            after.peak - before.live};
}

void count(contender const& one, std::size_t n, char** arguments) {
    auto* const counts = counting(arguments);
    auto const once = measure(one, n, counts);
    auto const twice = measure(one, 2 * n, counts);
    auto const slope = [n](std::size_t a, std::size_t b) {
        return (static_cast<double>(b) - static_cast<double>(a)) / static_cast<double>(n);
    };
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    std::printf(R"({"name": "%s", "children": [%zu, %zu], "allocations": [%zu, %zu], "bytes": [%zu, %zu], )"
                R"("peak_live_bytes": [%zu, %zu], "allocations_per_child": %g, "bytes_per_child": %g, )"
                R"("peak_live_bytes_per_child": %g, "result_bytes": %zu, "max_rss_bytes": %zu})"
                "\n",
                one.name.c_str(), n, 2 * n, once.count, twice.count, once.bytes, twice.bytes, once.peak,
                twice.peak, slope(once.count, twice.count), slope(once.bytes, twice.bytes),
                slope(once.peak, twice.peak), one.settings.result_bytes,
                static_cast<std::size_t>(used.ru_maxrss) * 1024);
}

void time_all(int argc, char** argv) {
    for (auto const& each : contenders()) {
        auto* const registered =
            benchmark::RegisterBenchmark(each.name.c_str(), [&each](benchmark::State& state) {
                auto const n = state.range(0);
                for (auto _ : state) {
                    each.run(static_cast<std::size_t>(n));
                    if (each.settings.time == time_by::run_itself) {
                        state.SetIterationTime(std::exchange(seconds_taken, 0));
                    }
                }
                state.SetItemsProcessed(state.iterations() * n);
            });
        for (auto const size : each.settings.sizes) {
            registered->Arg(static_cast<std::int64_t>(size));
        }
        registered->Unit(benchmark::kMicrosecond);
        switch (each.settings.time) {
        case time_by::processor: break;
        case time_by::wall: registered->UseRealTime(); break;
        case time_by::run_itself: registered->UseManualTime(); break;
        }
    }
    benchmark::Initialize(&argc, argv);
    if (argc > 1) {
        throw bad_argument("what is '" + std::string(argv[1]) + "'?");
    }
    benchmark::RunSpecifiedBenchmarks();
}

void run_program(int argc, char** argv) {
    std::string_view const mode = argc > 1 ? argv[1] : "";
    if (mode == "--help") {
        std::fputs(usage, stdout);
    } else if (mode == "--list" && argc == 2) {
        list();
    } else if (mode == "--run" && argc == 4) {
        find(argv[2]).run(number(argv[3]));
    } else if (mode == "--count" && argc == 4) {
        count(find(argv[2]), number(argv[3]), argv);
    } else if (mode.empty() || mode.starts_with("--benchmark_")) {
        time_all(argc, argv);
    } else {
        throw bad_argument("what is '" + std::string(mode) + "', with " + std::to_string(argc - 2) +
                           " more?");
    }
}

} // namespace

void took(std::chrono::duration<double> time) { seconds_taken += time.count(); }

contender::contender(std::string its_name, config const& its_config, std::function<void(std::size_t)> its_run)
    : name(std::move(its_name)), settings(its_config), run(std::move(its_run)) {
    contenders().push_back(*this);
}

} // namespace bench

int main(int argc, char** argv) {
    try {
        bench::run_program(argc, argv);
    } catch (bench::bad_argument const& e) {
        std::fprintf(stderr, "benchmark: %s\n%s", e.what(), bench::usage);
        return 2;
    } catch (std::exception const& e) {
        std::fprintf(stderr, "benchmark: %s\n", e.what());
        return 1;
    }
}
