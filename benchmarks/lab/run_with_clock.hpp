// SPDX-License-Identifier: BSL-1.0
#pragma once
// The strategies themselves. Included once for each clock, since each of these calls takes seconds to compile.

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/options.hpp>
#include <fanout/retry.hpp>
#include <fanout/retry_rejected.hpp>

#include "backoffs_and_budgets.hpp"
#include "run_strategy.hpp"
#include "scoreboard.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <ranges>

namespace lab {

// What `retry_rejected` keeps of so many inputs. Its list of first errors, of those that failed twice, is not in it.
template <class Retried>
std::size_t bytes_of(Retried const& r) {
    return r.outcomes.capacity() * sizeof r.outcomes.front() +
           r.attempts.capacity() * sizeof r.attempts.front() +
           r.first_failures.capacity() * sizeof(fanout::first_failure);
}

// One run: what each strategy needs, and the strategies.
template <class Clock>
class strategy_run {
public:
    strategy_run(strategy const& how, workload const& work, endpoint& to)
        : how_(how), work_(work), to_(to), budget_(how.budget), generator_(work.seed) {
        times_.attempt_timeout = work.attempt_timeout;
        if (work.deadline)
            times_.deadline = end_ = start_ + *work.deadline;
    }

    boost::asio::awaitable<void> go() {
        switch (how_.admit.how) {
        case admission::kind::sequential: co_await one_by_one(); break;
        case admission::kind::unlimited: keep(co_await all()); break;
        case admission::kind::window: keep(co_await all(fanout::limit(how_.admit.permits))); break;
        case admission::kind::rate: {
            fanout::basic_rate<Clock> starts(how_.admit.per_second);
            keep(co_await all(starts));
            break;
        }
        case admission::kind::aimd: {
            fanout::adaptive<fanout::aimd> limit({.maximum = work_.most_in_flight});
            keep(co_await all(limit));
            break;
        }
        case admission::kind::vegas: {
            fanout::adaptive<fanout::vegas> limit({.maximum = work_.most_in_flight, .seed = work_.seed});
            keep(co_await all(limit));
            break;
        }
        case admission::kind::gradient2: {
            fanout::adaptive<fanout::gradient2> limit({.maximum = work_.most_in_flight, .seed = work_.seed});
            keep(co_await all(limit));
            break;
        }
        }
    }

    run_result result() const {
        auto r = seen_.result(how_, work_.inputs, Clock::now() - start_);
        r.held = held_;
        return r;
    }

private:
    using attempt = fanout::basic_attempt<Clock>;

    // All inputs, as fast as the limit lets them.
    auto all(auto&&... limit) {
        auto const call = [&to = to_](std::size_t input, attempt const& a) {
            return to.call(input, a.number);
        };
        return fanout::retry_rejected(
            std::views::iota(std::size_t{0}, work_.inputs), call, policy_of(how_.retry), budget_, throttled(),
            fanout::jitter_from(generator_), times_, fanout::observe(seen_.all, seen_.useful), limit...);
    }

    // A loop, as it is written where nobody thinks of concurrency.
    boost::asio::awaitable<void> one_by_one() {
        for (std::size_t input = 0; input < work_.inputs; ++input) {
            std::uint32_t number = 0;
            auto const call = [&] { return to_.call(input, ++number); };
            // What became of it is on the scoreboard.
            [[maybe_unused]] auto const settled = co_await fanout::retry(
                call, policy_of(how_.retry), budget_, throttled(), fanout::jitter_from(generator_), times_,
                fanout::observe(seen_.all, seen_.useful));
            auto const asked_to_end = co_await boost::asio::this_coro::cancellation_state;
            if (asked_to_end.cancelled() != boost::asio::cancellation_type::none ||
                (end_ && Clock::now() >= *end_))
                break;
        }
    }

    auto throttled() const {
        return fanout::overload_if([&to = to_](fanout::error_code const& e) { return to.is_overload(e); });
    }

    template <class Retried>
    void keep(Retried const& r) {
        held_ = bytes_of(r);
    }

    strategy const& how_;
    workload const& work_;
    endpoint& to_;
    any_budget<Clock> budget_;
    std::minstd_rand generator_;
    fanout::basic_options<Clock> times_;
    typename Clock::time_point start_ = Clock::now();
    std::optional<typename Clock::time_point> end_;
    scoreboard seen_;
    std::size_t held_ = 0;
};

template <class Clock>
boost::asio::awaitable<run_result> run_strategy(strategy how, workload work, endpoint& to) {
    strategy_run<Clock> run(how, work, to);
    co_await run.go();
    auto r = run.result();
    auto const asked_to_end = co_await boost::asio::this_coro::cancellation_state;
    r.interrupted = asked_to_end.cancelled() != boost::asio::cancellation_type::none;
    co_return r;
}

} // namespace lab
