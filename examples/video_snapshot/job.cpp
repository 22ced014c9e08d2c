// SPDX-License-Identifier: BSL-1.0
#include "job.hpp"

#include "fan_out.hpp"
#include "status_line.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <optional>

namespace snapshot {

namespace asio = boost::asio;

namespace {

// What a run of today has to do: the videos that have no entry for the day yet. The writes are guarded by their own
// condition; to know before saves the requests.
std::vector<video> without_entry(std::vector<video> videos, entries_of_day const& recorded) {
    std::erase_if(videos, [&](video const& v) { return recorded.contains(v.id); });
    return videos;
}

} // namespace

asio::awaitable<report> run_job(arguments const& all, video_source& source, snapshot_target& target,
                                interruption& stop, fanout::recording& recorded,
                                std::chrono::steady_clock::time_point program_start) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<video> pending;
    std::size_t already = 0;
    {
        status_line const line(!all.quiet, "reading the videos …");
        auto videos = co_await source.videos();
        auto const before = co_await target.entries();
        auto const total = videos.size();
        pending = without_entry(std::move(videos), before);
        already = total - pending.size();
    }

    ledger book(pending.size());
    std::optional<std::size_t> limit_at_end;
    if (!pending.empty()) {
        fanout::progress line(executor, {.quiet = all.quiet, .what = "videos", .already = already});
        auto watch = fanout::observe(book, recorded, line);
        // From here on an interruption must not throw through us: it stops the writes, and we tell what became of them.
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await asio::this_coro::throw_if_cancelled(false);
        stop.writing(true);
        limit_at_end = co_await write_all(all, pending, target, book, watch, program_start);
        stop.writing(false);
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await asio::this_coro::throw_if_cancelled(true);
    }

    report out;
    std::optional<entries_of_day> after;
    try {
        status_line const line(!all.quiet, "reading back …");
        after = co_await target.entries();
    } catch (...) {
        out.problem = "the target could not be read back, so what was written is not checked: " +
                      describe(std::current_exception());
    }
    out.numbers = make_summary(pending, book, already, after ? &*after : nullptr);
    out.numbers.limit_at_end = limit_at_end;
    out.pending = std::move(pending);
    co_return out;
}

} // namespace snapshot
