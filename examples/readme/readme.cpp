// SPDX-License-Identifier: BSL-1.0
// The code that README.md shows, compiled and run: the parts between `// [name]` and `// [/name]`.
// The table here is a pretended one, slow as a network and now and then too busy to answer.

#include <fanout.hpp>
#include <fanout/observe/chrome_trace.hpp>
#include <fanout/observe/progress.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/observe/waterfall.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct video {
    std::string id;
    std::int64_t views;
};

class video_table {
public:
    explicit video_table(bool busy_at_first) : busy_at_first_(busy_at_first) {}

    asio::awaitable<void> append_view(video const& v) {
        asio::steady_timer network(co_await asio::this_coro::executor, 1ms);
        co_await network.async_wait(asio::use_awaitable);
        if (busy_at_first_ && attempts_[v.id]++ == 0 && v.views % 20 == 0) {
            throw std::runtime_error("the table is busy");
        }
        views_[v.id] = v.views;
    }

    std::map<std::string, std::int64_t> const& views() const { return views_; }

private:
    bool busy_at_first_;
    std::map<std::string, int> attempts_;
    std::map<std::string, std::int64_t> views_;
};

asio::awaitable<void> one_after_another(video_table& table, std::vector<video> const& rows) {
    // [loop]
    for (video const& v : rows) {
        co_await table.append_view(v);
    }
    // [/loop]
}

asio::awaitable<std::size_t> fanned_out(video_table& table, std::vector<video> const& rows) {
    // [fan-out]
    auto results = co_await fanout::retry_rejected(
        rows, [&](video const& v) { return table.append_view(v); }, fanout::retry_policy{.max_attempts = 4},
        fanout::limit(64));
    // [/fan-out]

    // [results]
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!results.outcomes[i].has_value()) {
            std::cerr << rows[i].id << ": " << results.outcomes[i].error().message() << '\n';
        }
    }
    // [/results]
    co_return results.retries();
}

// What `when_all_settled` spares its user. This is right for one thread, and for a caller that is never cancelled.
// [plain-settled]
asio::awaitable<std::vector<std::exception_ptr>> append_all(video_table& table,
                                                            std::vector<video> const& rows) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer all_ended(executor, asio::steady_timer::time_point::max());
    std::vector<std::exception_ptr> failures(rows.size());
    std::size_t next = 0;
    std::size_t lanes = std::min<std::size_t>(64, rows.size());
    auto lane = [&]() -> asio::awaitable<void> {
        while (next < rows.size()) {
            std::size_t const i = next++;
            try {
                co_await table.append_view(rows[i]);
            } catch (...) {
                failures[i] = std::current_exception();
            }
        }
        if (--lanes == 0) {
            all_ended.cancel();
        }
    };
    for (std::size_t n = lanes; n > 0; --n) {
        asio::co_spawn(executor, lane(), asio::detached);
    }
    if (lanes > 0) {
        co_await all_ended.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return failures;
}
// [/plain-settled]

asio::awaitable<std::size_t> settled(video_table& table, std::vector<video> const& rows) {
    // [settled]
    auto outcomes = co_await fanout::when_all_settled(
        rows, [&](video const& v) { return table.append_view(v); }, fanout::limit(64));
    // [/settled]
    co_return static_cast<std::size_t>(std::count_if(
        outcomes.begin(), outcomes.end(), [](auto const& outcome) { return !outcome.has_value(); }));
}

// The pictures are written where the program runs, and taken away again.
asio::awaitable<void> seen(video_table& table, std::vector<video> const& rows) {
    auto const write = [&](video const& v) { return table.append_view(v); };
    // [observe]
    fanout::stats numbers;
    fanout::recording record;
    auto results = co_await fanout::retry_rejected(rows, write, fanout::retry_policy{.max_attempts = 4},
                                                   fanout::limit(64), fanout::observe(numbers, record));
    std::cout << numbers << '\n';
    // [/observe]

    // [pictures]
    std::ofstream picture("writes.svg");
    fanout::write_waterfall(picture, record);
    std::ofstream trace("writes.json");
    fanout::write_chrome_trace(trace, record);
    // [/pictures]

    // [panels]
    fanout::recording sequential;
    co_await fanout::when_all_settled(rows, write, fanout::limit(1), sequential);
    fanout::named_recording const panels[] = {{"one after another", sequential}, {"64 at once", record}};
    fanout::waterfall_options look;
    look.title = "200 writes";
    look.label = [&](std::size_t i) { return rows[i].id; };
    std::ofstream both("both.svg");
    fanout::write_waterfall(both, panels, look);
    // [/panels]

    // [progress]
    fanout::progress line(co_await asio::this_coro::executor, {.what = "videos"});
    co_await fanout::when_all_settled(rows, write, fanout::limit(64), fanout::observe(numbers, line));
    // [/progress]
    for (auto* const file : {&picture, &trace, &both}) {
        file->close();
        if (!*file) {
            throw std::runtime_error("a picture could not be written");
        }
    }
    for (auto const* name : {"writes.svg", "writes.json", "both.svg"}) {
        std::filesystem::remove(name);
    }
    if (results.retries() != 10) {
        throw std::logic_error("each twentieth row was busy, and run again");
    }
}

// [own-observer]
struct slow_writes {
    std::vector<video> const& rows;
    std::chrono::nanoseconds mark;

    void on_settled(fanout::settled_event const& e) {
        if (e.elapsed > mark) {
            std::clog << rows[e.index].id << ": attempt " << e.attempt << " took "
                      << std::chrono::duration_cast<std::chrono::milliseconds>(e.elapsed).count() << " ms\n";
        }
    }
};
// [/own-observer]

void check(bool holds, char const* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

asio::awaitable<void> all() {
    std::vector<video> rows;
    for (int i = 0; i < 200; ++i) {
        rows.push_back({"video-" + std::to_string(i), i});
    }
    video_table looped(false), fanned(true), plain(true), ours(true), watched(true);

    co_await one_after_another(looped, rows);
    auto const retries = co_await fanned_out(fanned, rows);
    check(retries == 10, "each twentieth row was busy, and run again");
    check(fanned.views() == looped.views(), "fanned out and one after another leave the same table");

    auto const failures = co_await append_all(plain, rows);
    auto const failed =
        std::count_if(failures.begin(), failures.end(), [](auto const& f) { return f != nullptr; });
    auto const rejected = co_await settled(ours, rows);
    check(failed == 10 && rejected == 10, "both say what failed");
    check(plain.views() == ours.views(), "plain code and when_all_settled leave the same table");

    co_await seen(watched, rows);
    slow_writes slow{rows, 1h};
    co_await fanout::when_all_settled(rows, [&](video const& v) { return watched.append_view(v); }, slow);
}

int main() {
    std::exception_ptr failure;
    asio::io_context context(1);
    asio::co_spawn(context, all(), [&](std::exception_ptr e) { failure = e; });
    context.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    std::cout << "README: all snippets ran\n";
}
