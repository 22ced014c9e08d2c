// SPDX-License-Identifier: BSL-1.0
// postgres_check COMMAND: does with the PostgreSQL adapter what COMMAND says, on the server that FANOUT_POSTGRES_URL
// names, and tells what came of it, a line each. tests/integration/test_postgres_adapter.py compares; this is compiled
// with AddressSanitizer and UndefinedBehaviorSanitizer, and ends with status 0 unless something is leaked.

#include "../../examples/adapters/postgres.hpp"
#include "../../examples/support/heartbeat.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

namespace asio = boost::asio;
using adapters::postgres_session;
using namespace std::chrono_literals;

adapters::postgres_url url() { return adapters::parse_postgres_url(std::getenv("FANOUT_POSTGRES_URL")); }

auto open_files() {
    auto const files = std::filesystem::directory_iterator("/proc/self/fd");
    return std::distance(begin(files), end(files));
}

void tell(std::string const& line) { std::cout << line << std::endl; }

// Its end, in one line.
asio::awaitable<void> outcome(std::string name, asio::awaitable<void> operation) {
    try {
        co_await std::move(operation);
        tell(name + ": done");
    } catch (std::exception const& e) {
        tell(name + ": " + e.what());
    }
}

asio::awaitable<void> run(postgres_session& session, std::string sql) {
    co_await session.execute(std::move(sql));
}

template <class... Values>
asio::awaitable<std::string> ask(postgres_session& session, std::string sql, Values... values) {
    auto const found = co_await session.execute(std::move(sql), values...);
    co_return found.rows.at(0).at(0).value_or("NULL");
}

void tell_open(postgres_session const& session) {
    tell(std::string("the session is ") + (session.is_open() ? "open" : "closed"));
}

// A coroutine with a signal that cancels it; waited for until it has ended.
class cancellable {
public:
    template <class Executor>
    cancellable(Executor const& executor, std::string name, asio::awaitable<void> operation)
        : ended_(executor, asio::steady_timer::time_point::max()) {
        asio::co_spawn(executor, outcome(std::move(name), std::move(operation)),
                       asio::bind_cancellation_slot(signal_.slot(), [this](std::exception_ptr) {
                           over_ = true;
                           ended_.cancel();
                       }));
    }
    asio::awaitable<void> cancel() {
        signal_.emit(asio::cancellation_type::terminal);
        co_await end();
    }
    asio::awaitable<void> end() {
        boost::system::error_code error;
        if (!over_)
            co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }

private:
    asio::cancellation_signal signal_;
    asio::steady_timer ended_;
    bool over_ = false;
};

asio::awaitable<void> pause_for(std::chrono::nanoseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> log_in() {
    postgres_session session(url());
    co_await outcome("connect", session.connect(2s));
    tell_open(session);
    if (session.is_open())
        tell("tls: " + co_await ask(session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"));
}

asio::awaitable<void> values() {
    postgres_session session(url());
    co_await session.connect();
    auto const back = co_await session.execute(
        "SELECT $1::int, $2::float8, $3::bool, $4::text, $5::text, $6::text, $7::bigint", 42, 0.1, true,
        "it's \"비밀\" $1; DROP", std::nullopt, std::optional<std::string>(""), INT64_MIN);
    for (auto const& cell : back.rows.at(0))
        tell(cell ? '[' + *cell + ']' : "NULL");
    tell(std::to_string(back.affected) + " row");
    // More than the sockets hold, both ways at once.
    std::string const big(5'000'000, 'x');
    auto const echo = co_await session.execute("SELECT $1::text, $1::text FROM generate_series(1, 2)", big);
    tell(std::to_string(echo.rows.at(1).at(1)->size()) + " bytes came back");
    tell(co_await ask(session, "SELECT " + session.literal("o'clock \\")));
    try {
        co_await session.execute("SELECT $1::text", std::string("a\0b", 3));
    } catch (std::invalid_argument const& e) {
        tell(e.what());
    }
    tell_open(session);
}

// Errors of statements leave the connection as it was.
asio::awaitable<void> errors() {
    postgres_session session(url());
    co_await outcome("before connect", run(session, "SELECT 1"));
    co_await session.connect();
    co_await outcome("BEGIN", run(session, "BEGIN"));
    co_await outcome("no such column", run(session, "SELECT nothing"));
    co_await outcome("in a failed transaction", run(session, "SELECT 1"));
    co_await outcome("ROLLBACK", run(session, "ROLLBACK"));
    co_await outcome("a warning", run(session, "ROLLBACK"));
    co_await outcome("two statements", run(session, "SELECT 1; SELECT 2"));
    co_await outcome("after these", run(session, "SELECT 1"));
    try {
        co_await session.execute("SELECT nothing");
    } catch (boost::system::system_error const& e) {
        tell(e.code() == adapters::sqlstate("42703") ? "compares equal" : "compares unequal");
    }
    co_await outcome("COPY", run(session, "COPY (SELECT 1) TO STDOUT"));
    tell_open(session);
}

// The test kills the server, or this backend, meanwhile.
asio::awaitable<void> killed() {
    postgres_session session(url());
    co_await session.connect();
    tell("backend " + co_await ask(session, "SELECT pg_backend_pid()"));
    co_await outcome("sleep", run(session, "SELECT pg_sleep(60)"));
    tell_open(session);
    co_await outcome("again", run(session, "SELECT 1"));
    co_await outcome("reconnect", session.connect());
}

// As before, but idle when it is killed: it is only noticed by the next statement.
asio::awaitable<void> killed_idle() {
    postgres_session session(url());
    co_await session.connect();
    tell("backend " + co_await ask(session, "SELECT pg_backend_pid()"));
    asio::posix::stream_descriptor input(co_await asio::this_coro::executor, ::dup(STDIN_FILENO));
    char said;
    co_await input.async_read_some(asio::buffer(&said, 1), asio::use_awaitable); // the test says when
    co_await outcome("after", run(session, "SELECT 1"));
    tell_open(session);
}

asio::awaitable<void> cancelled() {
    postgres_session session(url());
    co_await session.connect();
    auto const pid = co_await ask(session, "SELECT pg_backend_pid()");
    cancellable sleeper(co_await asio::this_coro::executor, "sleep", run(session, "SELECT pg_sleep(5)"));
    co_await pause_for(100ms);
    co_await sleeper.cancel();
    tell_open(session);
    co_await outcome("again", run(session, "SELECT 1"));
    postgres_session other(url());
    co_await other.connect();
    auto const there = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    tell("backends: " + co_await ask(other, there, pid));
    while (co_await ask(other, there, pid) != "0") // until the statement has ended
        co_await pause_for(20ms);
    tell("backends: 0");
    co_await session.connect();
    tell(co_await ask(session, "SELECT pg_backend_pid()") == pid ? "the same backend" : "another backend");
}

// Cancelled at any moment: while it connects, in a statement, between.
asio::awaitable<void> storm() {
    auto const executor = co_await asio::this_coro::executor;
    auto const work = [](postgres_session& session) -> asio::awaitable<void> {
        co_await session.connect();
        for (;;)
            co_await session.execute("SELECT $1::text FROM generate_series(1, 50)", "a text");
    };
    {
        postgres_session first(url());
        co_await first.connect();
    }
    auto const files = open_files();
    int closed = 0;
    for (int round = 0; round < 200; ++round) {
        postgres_session session(url());
        auto* const printed = std::cout.rdbuf(nullptr);
        cancellable one(executor, "work", work(session));
        co_await pause_for(round * 100us);
        co_await one.cancel();
        std::cout.rdbuf(printed);
        closed += session.is_open() ? 0 : 1;
        // Cancelled between two statements it is as good as before: no answer is left that another one would get.
        if (session.is_open() && co_await ask(session, "SELECT 'mine'") != "mine")
            tell("an answer to something else");
    }
    if (closed < 100)
        tell("closed only " + std::to_string(closed) + " times");
    tell("files: " + std::to_string(open_files() - files) + " more");
}

// A server that takes the connection and says nothing.
asio::awaitable<void> silent() {
    postgres_session session(url());
    auto const files = open_files();
    co_await outcome("connect", session.connect(200ms));
    tell_open(session);
    tell("files: " + std::to_string(open_files() - files) + " more");
}

asio::awaitable<void> busy() {
    postgres_session session(url());
    co_await session.connect();
    cancellable first(co_await asio::this_coro::executor, "first", run(session, "SELECT pg_sleep(2)"));
    co_await pause_for(50ms);
    co_await outcome("second", run(session, "SELECT 1"));
    co_await outcome("connect", session.connect());
    co_await first.end();
    co_await outcome("third", run(session, "SELECT 1"));
}

asio::awaitable<void> cycles() {
    auto files = open_files();
    for (int round = 0; round < 1000; ++round) {
        postgres_session session(url());
        co_await session.connect();
        if (round == 0)
            files = open_files();
        if (round % 2 == 0)
            session.close(); // otherwise just dropped
        else if (round % 10 == 1)
            co_await session.execute("SELECT 1");
    }
    tell("files: " + std::to_string(open_files() + 1 - files) + " more");
}

// The context ends in the middle of a statement, half a second after it began.
bool asleep = false;
asio::awaitable<void> abandoned() {
    postgres_session session(url());
    co_await session.connect();
    tell("asleep");
    asleep = true;
    co_await session.execute("SELECT pg_sleep(2)");
}

} // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::function<asio::awaitable<void>()>> const commands{
        {"connect", log_in}, {"values", values},           {"errors", errors},
        {"killed", killed},  {"killed_idle", killed_idle}, {"cancelled", cancelled},
        {"storm", storm},    {"silent", silent},           {"busy", busy},
        {"cycles", cycles},  {"abandoned", abandoned}};
    std::string const name = argc > 1 ? argv[1] : "";
    auto const command = commands.find(name);
    if (command == commands.end() || std::getenv("FANOUT_POSTGRES_URL") == nullptr) {
        std::cerr << "usage: FANOUT_POSTGRES_URL=… postgres_check COMMAND\n";
        return 2;
    }
    int status = 0;
    asio::io_context context(1);
    support::heartbeat beating(context.get_executor());
    asio::co_spawn(context, command->second(), [&](std::exception_ptr thrown) {
        beating.stop();
        try {
            if (thrown)
                std::rethrow_exception(thrown);
        } catch (std::exception const& e) {
            std::cerr << "postgres_check: " << e.what() << '\n';
            status = 1;
        }
    });
    if (name == "abandoned") {
        while (!asleep && context.run_one() > 0)
            ;
        context.run_for(500ms);
        return status;
    }
    context.run();
    std::cout << beating << '\n';
    return status;
}
