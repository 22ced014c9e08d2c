// SPDX-License-Identifier: BSL-1.0
// What examples/adapters/mysql.hpp promises of failures, on a real server: one part per run. It is compiled with the
// address and undefined behaviour sanitizers; tests/integration/test_mysql_adapter.py drives it and reads what it prints.
#include "../../examples/adapters/describe.hpp"
#include "../../examples/adapters/mysql.hpp"
#include "../../examples/support/program.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace asio = boost::asio;
using adapters::mysql_session;
using namespace std::chrono_literals;

void tell(std::string_view what, std::string_view line) { std::cout << what << ": " << line << std::endl; }

// Awaits it and tells how it ended. Whether it failed.
asio::awaitable<bool> tell_failure(std::string_view what, asio::awaitable<void> operation) {
    try {
        co_await std::move(operation);
    } catch (std::exception const& e) {
        tell(what, adapters::describe(e));
        co_return true;
    }
    tell(what, "no failure");
    co_return false;
}

asio::awaitable<void> run(mysql_session& session, std::string sql) {
    co_await session.execute(std::move(sql));
}

asio::awaitable<std::int64_t> number(mysql_session& session, std::string sql) {
    auto const found = co_await session.execute(std::move(sql));
    auto const field = found.rows().at(0).at(0);
    co_return field.is_uint64() ? static_cast<std::int64_t>(field.as_uint64()) : field.as_int64();
}

// Connects within 1 s, and asks once.
asio::awaitable<bool> ask(adapters::mysql_url url) {
    mysql_session session(std::move(url));
    co_await session.connect(1s);
    tell("answer", std::to_string(co_await number(session, "SELECT 6 * 7")));
    co_await session.close();
    co_return !session.usable();
}

// The test ends the connection while the statement runs: by ending the server, or by KILL. The same session connects
// again as soon as there is a server.
asio::awaitable<bool> cut_off(adapters::mysql_url url) {
    auto session = co_await adapters::open_mysql(std::move(url));
    tell("connection", std::to_string(co_await number(session, "SELECT CONNECTION_ID()")));
    auto right = co_await tell_failure("cut off", run(session, "SELECT SLEEP(60)"));
    right = !session.usable() && right;
    right = co_await tell_failure("later", run(session, "SELECT 1")) && right;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!session.usable()) {
        timer.expires_after(20ms);
        co_await timer.async_wait(asio::use_awaitable);
        try {
            co_await session.connect();
        } catch (boost::system::system_error const&) { // not yet
        }
    }
    tell("connected again", std::to_string(co_await number(session, "SELECT 6 * 7")));
    co_return right;
}

// Waits until the connection runs the statement.
asio::awaitable<void> until_it_runs(mysql_session& watcher, std::int64_t connection) {
    auto running = false;
    while (!running) {
        auto const found = co_await watcher.execute(
            "SELECT 1 FROM information_schema.processlist WHERE id = ? AND info LIKE '%SLEEP%'", connection);
        running = !found.rows().empty();
    }
}

// What cancels in mid-flight: the first to end cancels the other.
asio::awaitable<void> cancel_when(asio::awaitable<void> operation, asio::awaitable<void> event) {
    auto const executor = co_await asio::this_coro::executor;
    auto both = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, std::move(operation), asio::deferred),
        asio::co_spawn(executor, std::move(event), asio::deferred));
    auto const ended = co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (auto const failure = std::get<1>(ended))
        std::rethrow_exception(failure);
}

asio::awaitable<void> run_prepared(mysql_session& session) {
    co_await session.execute("SELECT SLEEP(?)", 60);
}

asio::awaitable<void> read_slowly(mysql_session& session) {
    // Rows that come at once are in the first block; the one that does not come is waited for.
    auto const ignore = [](boost::mysql::row_view) {};
    co_await session.read("SELECT SLEEP(60)", ignore);
}

asio::awaitable<void> give_up(mysql_session& session, std::chrono::milliseconds limit) {
    auto const ignore = [](boost::mysql::row_view) {};
    co_await session.read("SELECT SLEEP(60)", ignore, limit);
}

asio::awaitable<void> break_off(mysql_session& session) {
    auto const refuse = [](boost::mysql::row_view) { throw std::runtime_error("the sink has enough"); };
    co_await session.read("SELECT 1 UNION SELECT 2", refuse);
}

// Each operation that is cut short, or whose answer is that the connection ends, closes it, and the next one
// says so.
asio::awaitable<bool> cancelled(adapters::mysql_url url) {
    auto watcher = co_await adapters::open_mysql(url);
    auto right = true;
    for (std::string const how : {"execute", "prepared", "read", "time limit", "sink", "KILL"}) {
        auto session = co_await adapters::open_mysql(url);
        auto const connection = co_await number(session, "SELECT CONNECTION_ID()");
        tell("connection", std::to_string(connection));
        asio::awaitable<void> operation = how == "execute"      ? run(session, "SELECT SLEEP(60)")
                                          : how == "prepared"   ? run_prepared(session)
                                          : how == "read"       ? read_slowly(session)
                                          : how == "time limit" ? give_up(session, 50ms)
                                          : how == "sink"       ? break_off(session)
                                                                : run(session, "KILL CONNECTION_ID()");
        if (how == "time limit" || how == "sink" || how == "KILL")
            right = co_await tell_failure(how, std::move(operation)) && right;
        else {
            auto event = until_it_runs(watcher, connection);
            auto both = cancel_when(std::move(operation), std::move(event));
            right = co_await tell_failure(how, std::move(both)) && right;
        }
        right = !session.usable() && right;
        right = co_await tell_failure("later", run(session, "SELECT 1")) && right;
    }
    co_return watcher.usable() && right;
}

// An error that the server sends, and a second operation beside the first, leave the connection as it was.
asio::awaitable<bool> answered(adapters::mysql_url url) {
    auto session = co_await adapters::open_mysql(url);
    auto const connection = co_await number(session, "SELECT CONNECTION_ID()");
    auto right = co_await tell_failure("refused", run(session, "SELECT nothing FROM nowhere"));
    auto watcher = co_await adapters::open_mysql(url);
    auto const second = [&]() -> asio::awaitable<void> {
        co_await until_it_runs(watcher, connection);
        right = co_await tell_failure("beside", run(session, "SELECT 1")) && right;
    };
    auto const executor = co_await asio::this_coro::executor;
    auto both = asio::experimental::make_parallel_group(
        asio::co_spawn(executor, run(session, "SELECT SLEEP(2)"), asio::deferred),
        asio::co_spawn(executor, second, asio::deferred));
    auto const ended = co_await both.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    if (auto const failure = std::get<1>(ended))
        std::rethrow_exception(failure);
    auto const same = co_await number(session, "SELECT CONNECTION_ID()");
    tell("the same connection", same == connection ? "yes" : "no");
    co_return same == connection&& right;
}

std::ptrdiff_t open_files() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
}

// Connects and closes 1,000 times, every second time without a goodbye.
asio::awaitable<bool> cycles(adapters::mysql_url url) {
    std::ptrdiff_t before = 0;
    for (int i = 0; i < 1'000; ++i) {
        auto session = co_await adapters::open_mysql(url);
        co_await session.execute("SELECT ?", i);
        if (i % 2 == 0)
            co_await session.close();
        if (i == 0)
            before = open_files(); // the event loop has opened its own by now
    }
    auto const after = open_files();
    tell("open files", std::to_string(before) + " after the first, " + std::to_string(after) + " after 1000");
    co_return after == before;
}

} // namespace

int main(int argc, char** argv) {
    using part = asio::awaitable<bool> (*)(adapters::mysql_url);
    std::map<std::string, part> const parts{{"ask", ask},
                                            {"cut_off", cut_off},
                                            {"cancelled", cancelled},
                                            {"answered", answered},
                                            {"cycles", cycles}};
    CLI::App app("The MySQL adapter, where things go wrong", "mysql_adapter");
    std::string name;
    std::string url;
    app.add_option("PART", name)->required()->check(CLI::IsMember(parts));
    app.add_option("--mysql", url);
    auto const job = [&] {
        return parts.at(name)(
            adapters::parse_mysql_url(support::given_or(url, "--mysql", "FANOUT_MYSQL_URL")));
    };
    return support::run_program(app, argc, argv, job);
}
