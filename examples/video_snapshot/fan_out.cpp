// SPDX-License-Identifier: BSL-1.0
#include "fan_out.hpp"

#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../adapters/timeout.hpp"
#include "transient.hpp"

#include <boost/asio/strand.hpp>

#include <algorithm>

namespace snapshot {

namespace asio = boost::asio;
using boost::system::system_error;
using std::chrono::steady_clock;

namespace {

template <class Outcomes>
void explain_all(Outcomes const& outcomes, ledger& book) {
    for (std::size_t i = 0; i < outcomes.size(); ++i)
        if (outcomes[i].has_exception())
            book.explain(i, outcomes[i].exception());
}

// The three fan-outs, under any limit. Where is nothing, or fanout::on(pool).
template <class Limit, class... Where>
asio::awaitable<void> fan_out(arguments const& all, std::vector<video> const& videos, snapshot_target& target,
                              ledger& book, watchers& watch, fanout::options options, Limit& limit,
                              Where... where) {
    auto const write = [&target](video const& v) { return target.record(v); };
    auto const overload = fanout::overload_if(is_throttled); // what lowers an adaptive limit
    if (all.how == strategy::when_all) {
        auto writes = fanout::when_all(videos, write, limit, overload, options, watch, where...);
        try {
            co_await std::move(writes);
        } catch (...) {
            book.explain_first(std::current_exception());
        }
    } else if (all.how == strategy::settled) {
        auto writes = fanout::when_all_settled(videos, write, limit, overload, options, watch, where...);
        auto const outcomes = co_await std::move(writes);
        explain_all(outcomes, book);
    } else {
        auto const passing = [](fanout::settled<void> const& outcome) {
            return is_worth_a_retry(outcome.error());
        };
        auto writes =
            fanout::retry_rejected(videos, write, fanout::retry_policy{.max_attempts = all.max_attempts},
                                   fanout::retry_if(passing), limit, overload, options, watch, where...);
        auto const done = co_await std::move(writes);
        explain_all(done.outcomes, book);
    }
}

// Makes the limit that was asked for, and runs the writes under it. Returns where an adaptive one ended.
template <class... Where>
asio::awaitable<std::optional<std::size_t>>
fan_out_limited(arguments const& all, std::vector<video> const& videos, snapshot_target& target, ledger& book,
                watchers& watch, fanout::options options, Where... where) {
    if (auto const* asked = std::get_if<rate_limit>(&all.limit.what)) {
        fanout::rate rate(asked->per_second, static_cast<double>(asked->burst));
        co_await fan_out(all, videos, target, book, watch, options, rate, where...);
    } else if (auto const* most = std::get_if<adaptive_limit>(&all.limit.what)) {
        // AIMD, since DynamoDB turns away what is too much; the others look for a latency that grows.
        fanout::adaptive<fanout::aimd> adaptive(fanout::aimd::options{.maximum = most->maximum});
        co_await fan_out(all, videos, target, book, watch, options, adaptive, where...);
        co_return adaptive.limit();
    } else {
        // Known only now, so a number in either case; in a program with a fixed choice it is fanout::unlimited.
        auto const* window = std::get_if<window_limit>(&all.limit.what);
        auto const limit = fanout::limit(window ? window->permits : fanout::unlimited.permits());
        co_await fan_out(all, videos, target, book, watch, options, limit, where...);
    }
    co_return std::nullopt;
}

bool is_cancelled(asio::cancellation_state const& state) {
    return state.cancelled() != asio::cancellation_type::none;
}

// The article's loop. It tells those who watch what a fan-out of width one would tell them.
asio::awaitable<void> write_one_by_one(arguments const& all, std::vector<video> const& videos,
                                       snapshot_target& target, ledger& book, watchers& watch,
                                       steady_clock::time_point deadline) {
    // Total cancellation ends the loop and lets the write under way end; terminal cancels the write too.
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation(),
                                                       asio::enable_terminal_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const start = steady_clock::now();
    std::size_t started = 0;
    std::optional<fanout::stop_reason> stop;
    bool cut_off = false;
    watch.on_begun({videos.size()});
    watch.on_limit({1, {}});
    while (started < videos.size() && !stop) {
        auto const now = steady_clock::now();
        auto const cancelled = co_await asio::this_coro::cancellation_state;
        if (now >= deadline || is_cancelled(cancelled)) {
            stop = is_cancelled(cancelled) ? fanout::stop_reason::caller : fanout::stop_reason::deadline;
            break;
        }
        auto const index = started++;
        auto const waited = now - start;
        watch.on_started({.index = index, .attempt = 1, .in_flight = 1, .at = waited, .waited = waited});
        auto limit = std::min<steady_clock::duration>(deadline - now, std::chrono::hours(24));
        if (all.attempt_timeout)
            limit = std::min<steady_clock::duration>(limit, *all.attempt_timeout);
        std::exception_ptr failure;
        fanout::error_code error;
        try {
            co_await adapters::with_timeout(target.record(videos[index]), limit, "the write");
        } catch (system_error const& e) {
            failure = std::current_exception();
            error = e.code();
        } catch (...) {
            failure = std::current_exception();
            error = fanout::errc::exception;
        }
        auto what = failure ? fanout::state::rejected : fanout::state::fulfilled;
        auto const ended = steady_clock::now();
        if (failure && ended - now >= limit) {
            what = fanout::state::timed_out;
            error = fanout::errc::timed_out;
        } else if (error == asio::error::operation_aborted) {
            what = fanout::state::cancelled;
            error = fanout::errc::cancelled_by_caller;
        }
        watch.on_settled({.index = index,
                          .attempt = 1,
                          .in_flight = 0,
                          .what = what,
                          .error = error,
                          .retried = false,
                          .elapsed = ended - now,
                          .at = ended - start,
                          .waited = waited,
                          .overloaded = is_throttled(error)});
        book.explain(index, failure);
        cut_off = what == fanout::state::cancelled;
        if (failure)
            stop = cut_off             ? fanout::stop_reason::caller
                   : ended >= deadline ? fanout::stop_reason::deadline
                                       : fanout::stop_reason::rejection;
    }
    auto const end = steady_clock::now() - start;
    if (stop)
        watch.on_stopped({*stop, cut_off, end});
    watch.on_finished({videos.size() - started, 0, end});
}

} // namespace

asio::awaitable<std::optional<std::size_t>> write_all(arguments const& all, std::vector<video> const& videos,
                                                      snapshot_target& target, ledger& book, watchers& watch,
                                                      steady_clock::time_point program_start) {
    auto const deadline = all.deadline ? program_start + *all.deadline : steady_clock::time_point::max();
    if (all.how == strategy::sequential) {
        auto loop = write_one_by_one(all, videos, target, book, watch, deadline);
        if (auto* pool = target.pool())
            co_await asio::co_spawn(asio::make_strand(*pool), std::move(loop), asio::use_awaitable);
        else
            co_await std::move(loop);
        co_return std::nullopt;
    }
    fanout::options options;
    if (all.attempt_timeout)
        options.attempt_timeout = *all.attempt_timeout;
    if (all.deadline)
        options.deadline = deadline;
    if (auto* pool = target.pool())
        co_return co_await fan_out_limited(all, videos, target, book, watch, options,
                                           fanout::on(pool->get_executor()));
    co_return co_await fan_out_limited(all, videos, target, book, watch, options);
}

} // namespace snapshot
