// SPDX-License-Identifier: BSL-1.0
#include "endpoint_measure.hpp"

#include "run_strategy.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace lab {

namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t most_single = 400, least_single = 20, not_counted = 10;
constexpr auto time_for_singles = 3s;
constexpr double seconds_of_a_probe = 0.4;
constexpr double hardly_better = 1.05;

asio::awaitable<void> measure_singles(server& of, measured& out) {
    auto const until = clock::now() + time_for_singles;
    for (std::size_t i = 0; i < not_counted + most_single; ++i) {
        auto const before = clock::now();
        if (before > until && out.calls() >= least_single)
            co_return;
        auto const answer = co_await of.call(i, 1);
        if (!answer)
            throw std::runtime_error("nothing can be measured of " + of.where() +
                                     ", where a call that is alone fails: " + answer.error().message());
        if (i >= not_counted)
            out.add(clock::now() - before);
    }
}

// How many of these calls are served per second.
asio::awaitable<double> rate_of(server& of, std::size_t window, double expected) {
    workload work;
    work.inputs = (std::max)(window * 10, static_cast<std::size_t>(expected * seconds_of_a_probe));
    strategy how;
    how.admit.how = admission::kind::window;
    how.admit.permits = window;
    auto const done = co_await run_strategy<clock>(how, work, of);
    if (done.interrupted)
        throw boost::system::system_error(asio::error::operation_aborted);
    co_return done.goodput();
}

} // namespace

asio::awaitable<measured> measure(server& of, probe_step tell) {
    measured out;
    out.source = of.kind();
    out.connections = of.connections();
    co_await measure_singles(of, out);
    auto const mean = std::chrono::duration<double>(out.mean()).count();
    double best = 1 / mean;
    int in_vain = 0;
    for (std::size_t window = 1; window < out.connections && in_vain < 2;) {
        window = (std::min)(window * 2, out.connections);
        double rate = 0;
        for (int again = 0; again < 2; ++again) { // what else runs on the machine may slow one of them down
            auto const one = co_await rate_of(of, window, best * 2);
            rate = (std::max)(rate, one);
        }
        tell(window, rate);
        in_vain = rate < best * hardly_better ? in_vain + 1 : 0;
        best = (std::max)(best, rate);
    }
    out.capacity = (std::max)(best * mean, 1.0);
    co_return out;
}

} // namespace lab
