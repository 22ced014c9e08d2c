// SPDX-License-Identifier: BSL-1.0
// redis_check <part> <url> [count]: puts adapters::redis_session to the test. tests/integration/test_redis_adapter.py
// starts it, and starts and kills the server; what is printed is for that test. Built with the address sanitizer.
#include <fanout/options.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../examples/adapters/redis.hpp"
#include "../../examples/support/heartbeat.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using adapters::redis_reply;
using adapters::redis_session;
using namespace std::chrono_literals;

void say(std::string const& line) { std::cout << line << std::endl; }

void expect(bool holds, std::string const& what) {
    if (!holds)
        throw std::logic_error("it does not hold that " + what);
}

asio::awaitable<void> pause(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

template <class... Words>
asio::awaitable<void> ask(redis_session& session, Words... words) {
    co_await session.command(words...);
}

// What it throws, as text; "" where nothing is thrown.
asio::awaitable<std::string> complaint(asio::awaitable<void> operation) {
    try {
        co_await std::move(operation);
    } catch (std::exception const& e) {
        co_return e.what();
    }
    co_return "";
}

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// Says how connecting ends. The server may be down, refuse the password, or never answer.
asio::awaitable<void> connects(adapters::redis_url url) {
    redis_session session(url);
    auto const said = co_await complaint(session.connect(500ms));
    say(said.empty() ? "connected" : said);
    expect(session.is_open() == said.empty(), "a session is open where connect() succeeded");
    if (!said.empty())
        expect(!(co_await complaint(ask(session, "GET", "key"))).empty(),
               "a session that did not connect is of no use");
}

// Works until the server is gone, says what it was told of that, and works again when the server is back.
asio::awaitable<void> loses(adapters::redis_url url) {
    redis_session session(url);
    co_await session.connect();
    co_await session.command("SET", "fanout:check", 1);
    say("working");
    auto const work = [&]() -> asio::awaitable<void> {
        for (;;) {
            // Several at a time, so that some wait for their replies when it happens.
            auto const one = [&](int) { return session.command("INCR", "fanout:check"); };
            std::vector<int> const eight(8);
            co_await fanout::when_all(eight, one);
        }
    };
    say("lost: " + co_await complaint(work()));
    expect(!session.is_open(), "a lost session is closed");
    say("then: " + co_await complaint(ask(session, "GET", "fanout:check")));
    for (std::string said = "not yet"; !said.empty();) {
        co_await pause(10ms);
        said = co_await complaint(session.connect(1s));
    }
    co_await session.command("INCR", "fanout:check");
    say("back");
}

// Waits, without a command on its way, until the server has gone.
asio::awaitable<void> idles(adapters::redis_url url) {
    redis_session session(url);
    co_await session.connect();
    say("working");
    while (session.is_open())
        co_await pause(1ms);
    say("lost: " + co_await complaint(ask(session, "GET", "fanout:check")));
}

// Writes to a connection that has been reset while nobody looked.
asio::awaitable<void> writes(adapters::redis_url url) {
    redis_session session(url);
    co_await session.connect();
    say("working");
    std::string line;
    std::getline(std::cin, line); // blocks the loop on purpose
    say("lost: " + co_await complaint(ask(session, "GET", "fanout:check")));
}

asio::awaitable<bool> is_there(redis_session& session, std::int64_t id) {
    auto const clients = co_await session.command("CLIENT", "LIST");
    co_return clients.text().find("id=" + std::to_string(id) + ' ') != std::string::npos;
}

// A command that is cancelled while it waits takes its connection with it, and what waits behind it.
asio::awaitable<void> cancels(adapters::redis_url url) {
    redis_session observer(url), session(url);
    co_await observer.connect();
    co_await session.connect();
    auto const id = (co_await session.command("CLIENT", "ID")).integer();
    expect(co_await is_there(observer, id), "a session that works is in the server's list");

    // The second stands behind the first, which nobody will ever answer.
    std::vector<std::vector<std::string>> const commands{{"BLPOP", "fanout:nothing", "0"},
                                                         {"GET", "fanout:nothing"}};
    auto const run = [&](std::vector<std::string> const& words) -> asio::awaitable<void> {
        if (words.size() == 3)
            co_await adapters::with_timeout(session.command(words[0], words[1], words[2]), 50ms, "cancelled");
        else
            co_await session.command(words[0], words[1]);
    };
    auto const ended = co_await fanout::when_all_settled(commands, run);
    expect(ended[0].has_error() && ended[0].error() == asio::error::timed_out, "the command was cancelled");
    expect(ended[1].has_error() && ended[1].error() == asio::error::connection_aborted,
           "the one behind it failed");

    expect(!session.is_open(), "the session is closed then");
    say("then: " + co_await complaint(ask(session, "GET", "fanout:nothing")));
    for (auto there = true; there;)
        there = co_await is_there(observer, id);
    say("gone from the server's list");
    co_await session.connect();
    expect((co_await session.command("CLIENT", "ID")).integer() != id,
           "a session that is connected anew is another");
}

// Opens and closes; every third with a command under way, every third while it still connects.
asio::awaitable<void> cycles(adapters::redis_url url, int count) {
    std::size_t files = 0;
    for (int i = 0; i < count; ++i) {
        if (i == 10) // Asio keeps some of its own open
            files = open_files();
        redis_session session(url);
        if (i % 3 == 2) {
            auto const said = co_await complaint(session.connect(std::chrono::milliseconds(0)));
            continue;
        }
        co_await session.connect();
        if (i % 3 == 1)
            co_await complaint(
                adapters::with_timeout(ask(session, "BLPOP", "fanout:nothing", 0), 0ms, "cancelled"));
        else
            co_await session.command("PING");
        session.close();
    }
    say(std::to_string(count) + " cycles, files " + std::to_string(files) + " -> " +
        std::to_string(open_files()));
}

// Each kind of reply, arguments of any bytes, errors, and a long pipeline in order.
asio::awaitable<void> replies(adapters::redis_url url) {
    redis_session session(url);
    expect((co_await complaint(ask(session, "GET", "key"))).find("Redis at ") == 0, "one must connect first");
    co_await session.connect();
    char const raw[] = "\0 \r\n$-1\r\n*2\r\n\xff 'quoted' %s %b";
    std::string const bytes(raw, sizeof raw - 1);
    expect((co_await session.command("SET", "fanout:check", bytes)).text() == "OK", "a status is a string");
    expect((co_await session.command("GET", "fanout:check")).text() == bytes, "bytes arrive as they are");
    expect((co_await session.command("SET", "fanout:check", "")).text() == "OK", "an argument may be empty");
    expect((co_await session.command("GET", "fanout:check")).text().empty(), "a string may be empty");
    expect((co_await session.command("GET", "fanout:nothing")).is_nil(), "nil is nil");
    expect((co_await session.command("EVAL", "return {1, {'two', false}, {}}", 0)).elements().size() == 3,
           "an array");
    auto const nested = co_await session.command("EVAL", "return {1, {'two', false}, {}}", 0);
    expect(nested.elements()[0].integer() == 1, "an array has integers");
    expect(nested.elements()[1].elements()[0].text() == "two", "an array has arrays");
    expect(nested.elements()[1].elements()[1].is_nil(), "an array has nil");
    expect(nested.elements()[2].elements().empty(), "an array may be empty");
    expect((co_await session.command("SET", "fanout:check", std::int64_t{-9223372036854775807})).text() ==
               "OK",
           "a number");
    say("error: " + co_await complaint(ask(session, "LPUSH", "fanout:check", "it is no list")));
    co_await session.command("MULTI");
    co_await session.command("LPUSH", "fanout:check", "it is no list");
    say("error: " + co_await complaint(ask(session, "EXEC")));
    expect(session.is_open(), "an error leaves the session open");
    for (auto const* name : {"subscribe", "PSUBSCRIBE", "Monitor"}) {
        auto refused = false;
        try {
            co_await session.command(name, "channel");
        } catch (std::invalid_argument const&) {
            refused = true;
        }
        expect(refused, "what has many replies is refused");
    }

    std::vector<std::int64_t> numbers(2'000);
    co_await session.command("SET", "fanout:check", 0);
    auto const increment = [&](std::int64_t&) { return session.command("INCR", "fanout:check"); };
    auto const counted = co_await fanout::when_all(numbers, increment);
    for (std::size_t i = 0; i < counted.size(); ++i)
        expect(counted[i].integer() == static_cast<std::int64_t>(i) + 1,
               "replies come in the order of the commands");
    co_await session.command("DEL", "fanout:check");
    say("replies are right");
}

// What waits for a reply when its context is destroyed is destroyed with it, and leaks nothing.
void abandons(adapters::redis_url const& url) {
    for (int i = 0; i < 20; ++i) {
        auto outside = std::make_shared<redis_session>(url);
        asio::io_context context(1);
        auto const wait = [](auto session, auto& running) -> asio::awaitable<void> {
            co_await session->connect();
            asio::post(running, [&running] { running.stop(); });
            auto const key = [&](int) { return session->command("BLPOP", "fanout:nothing", 0); };
            std::vector<int> const three(3);
            co_await fanout::when_all(three, key);
        };
        // The session lives in the coroutine's frame, or outside of it and of the context.
        asio::co_spawn(context, wait(i % 2 == 0 ? std::make_shared<redis_session>(url) : outside, context),
                       asio::detached);
        context.run();
        outside.reset();
    }
    say("abandoned");
}

using part = std::function<asio::awaitable<void>(adapters::redis_url, int)>;

std::map<std::string, part> const parts{
    {"connects", [](auto url, int) { return connects(url); }},
    {"loses", [](auto url, int) { return loses(url); }},
    {"idles", [](auto url, int) { return idles(url); }},
    {"writes", [](auto url, int) { return writes(url); }},
    {"cancels", [](auto url, int) { return cancels(url); }},
    {"cycles", [](auto url, int count) { return cycles(url, count); }},
    {"replies", [](auto url, int) { return replies(url); }},
};

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 3)
            throw std::invalid_argument("usage: redis_check <part> <url> [count]");
        auto const url = adapters::parse_redis_url(argv[2]);
        if (std::string_view(argv[1]) == "abandons") {
            abandons(url);
            return 0;
        }
        asio::io_context context(1);
        support::heartbeat beating(context.get_executor());
        std::exception_ptr failure;
        auto run = parts.at(argv[1])(url, argc > 3 ? std::stoi(argv[3]) : 0);
        asio::co_spawn(context, std::move(run), [&](std::exception_ptr thrown) {
            failure = thrown;
            beating.stop();
        });
        context.run();
        if (failure)
            std::rethrow_exception(failure);
        std::cout << beating << std::endl;
        return 0;
    } catch (std::exception const& e) {
        std::cerr << "redis_check: " << e.what() << '\n';
        return 1;
    }
}
