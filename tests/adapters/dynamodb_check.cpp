// SPDX-License-Identifier: BSL-1.0
// What the DynamoDB adapter survives, compiled with sanitizers: dynamodb_check CASE URL. test_dynamodb_adapter.py
// starts and breaks the servers; it says "ready" on a line where this program does, and reads the lines of facts.
#include <fanout/options.hpp>
#include <fanout/retry.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../examples/support/heartbeat.hpp"
#include "dynamodb.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace adapters;
using namespace std::chrono_literals;
using boost::system::system_error;

json::object const nothing;

dynamodb_client make_client(asio::any_io_executor const& executor, std::string const& url,
                            dynamodb_client::options opts = {}) {
    auto const endpoint = parse_http_url(url);
    return {executor, endpoint, credentials_from_environment(endpoint), opts};
}

// What was opened by this process: sockets above all.
std::ptrdiff_t open_files() {
    namespace fs = std::filesystem;
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()) - 1;
}

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

struct told {
    error_code error;
    std::string what;
};

// The error that a request ends with, if any.
asio::awaitable<told> try_call(dynamodb_client& client, std::string_view operation,
                               json::object const& parameters) {
    try {
        co_await client.call(operation, parameters);
    } catch (system_error const& e) {
        co_return told{e.code(), e.what()};
    }
    co_return told{};
}

void say(told const& t) {
    std::cout << (t.error ? is_transient(t.error) ? "transient: " : "final: " : "fulfilled") << t.what
              << std::endl;
}

asio::awaitable<void> wait_for_server(dynamodb_client& client) {
    auto const list = [&] { return client.call("ListTables", nothing); };
    auto const again = [](auto const& outcome) { return is_transient(outcome.error()); };
    fanout::retry_policy const policy{.max_attempts = 600, .backoff = fanout::constant{100ms}};
    auto listing = fanout::retry(list, policy, fanout::retry_if(again));
    co_await std::move(listing);
    std::cout << "served" << std::endl;
}

// No server is there yet: the first request says so, and the same client serves as soon as there is one.
asio::awaitable<void> down_at_start(std::string const& url) {
    auto client = make_client(co_await asio::this_coro::executor, url);
    say(co_await try_call(client, "ListTables", nothing));
    std::cout << "ready" << std::endl;
    co_await wait_for_server(client);
}

// Requests one after another in 16 lines, until the server is gone: each ends, with a passing error, and leaves no socket. Then
// the server comes back.
asio::awaitable<void> killed(std::string const& url) {
    auto client = make_client(co_await asio::this_coro::executor, url);
    auto const before = open_files();
    std::size_t served = 0;
    auto const until_it_dies = [&](int) -> asio::awaitable<void> {
        for (;;) {
            co_await client.call("ListTables", nothing);
            if (++served == 200)
                std::cout << "ready" << std::endl;
        }
    };
    std::vector<int> const lines(16);
    auto const outcomes = co_await fanout::when_all_settled(lines, until_it_dies);
    for (auto const& outcome : outcomes)
        std::cout << (is_transient(outcome.error()) ? "transient" : outcome.error().message()) << '\n';
    std::cout << "sockets left: " << open_files() - before << std::endl;
    co_await wait_for_server(client);
}

// Refused by the server: told as it is, nothing to retry, and the connection is as good as before.
asio::awaitable<void> denied(std::string const& url) {
    auto client = make_client(co_await asio::this_coro::executor, url);
    auto const before = open_files();
    for (int i = 0; i < 3; ++i)
        say(co_await try_call(client, "ListTables", nothing));
    std::cout << "sockets: " << open_files() - before << std::endl;
}

// A server that accepts and never answers.
asio::awaitable<void> silent(std::string const& url) {
    auto const executor = co_await asio::this_coro::executor;
    auto client = make_client(executor, url, {.request_timeout = 100ms, .max_connections = 1});
    auto const before = open_files();
    for (int i = 0; i < 3; ++i)
        say(co_await try_call(client, "ListTables", nothing));
    std::cout << "sockets left: " << open_files() - before << std::endl;
}

json::object item_of(int i, char const* what) {
    auto const text = std::to_string(i);
    return {{"TableName", "survival"}, {what, {{"id", {{"S", text}}}}}};
}

// Every other request is cancelled while it is under way; those between must get their own item, not another's.
asio::awaitable<void> cancelled(std::string const& url) {
    auto const executor = co_await asio::this_coro::executor;
    auto client = make_client(executor, url, {.max_connections = 1});
    for (int i = 0; i < 20; ++i) {
        auto const put = item_of(i, "Item");
        co_await client.call("PutItem", put);
    }
    int aborted = 0, own = 0;
    for (int i = 0; i < 20; ++i) {
        auto const get = item_of(i, "Key");
        if (i % 2 == 0) {
            asio::cancellation_signal stop;
            asio::steady_timer ended(executor, asio::steady_timer::time_point::max());
            auto const handler = [&](std::exception_ptr thrown, json::object const&) {
                try {
                    if (thrown)
                        std::rethrow_exception(thrown);
                } catch (system_error const& e) {
                    aborted += e.code() == asio::error::operation_aborted ? 1 : 0;
                }
                ended.cancel();
            };
            asio::co_spawn(executor, client.call("GetItem", get),
                           asio::bind_cancellation_slot(stop.slot(), handler));
            co_await sleep_for(20ms); // sent, and its reply is on the slow way back
            stop.emit(asio::cancellation_type::terminal);
            error_code ignored;
            co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        } else {
            auto const reply = co_await client.call("GetItem", get);
            own += reply.at("Item") == get.at("Key") ? 1 : 0;
        }
    }
    std::cout << "cancelled: " << aborted << ", own items: " << own << std::endl;
}

// A client made, used and destroyed, a thousand times; each third one is destroyed after a request that timed out.
asio::awaitable<void> cycles(std::string const& url) {
    auto const executor = co_await asio::this_coro::executor;
    std::vector<int> const one(1);
    std::map<std::string, int> ends;
    std::optional<std::ptrdiff_t> early;
    for (int i = 0; i < 1000; ++i) {
        if (i == 100)
            early = open_files();
        auto client = make_client(executor, url);
        auto const list = [&](int) { return client.call("ListTables", nothing); };
        auto const time = i % 3 == 2 ? std::chrono::nanoseconds(200us) : std::chrono::nanoseconds(1min);
        auto calls = fanout::when_all_settled(one, list, fanout::options{.attempt_timeout = time});
        auto const outcomes = co_await std::move(calls);
        auto const& outcome = outcomes.front();
        ++ends[outcome.has_value() ? "fulfilled" : outcome.error().message()];
    }
    for (auto const& [how, times] : ends)
        std::cout << how << ": " << times << '\n';
    std::cout << "files more than after 100: " << open_files() - *early << std::endl;
}

// The only update whose reply the way back loses is on a kept connection.
asio::awaitable<void> lost_reply(std::string const& url, bool resend) {
    auto const executor = co_await asio::this_coro::executor;
    auto client = make_client(executor, url, {.max_connections = 1, .resend_if_dropped = resend});
    co_await client.call("ListTables", nothing); // the connection is a kept one now
    auto append = item_of(0, "Key");
    append["UpdateExpression"] = "SET entries = list_append(if_not_exists(entries, :empty), :p)";
    json::array const entry{json::object{{"S", "once"}}};
    append["ExpressionAttributeValues"] =
        json::object{{":empty", {{"L", json::array()}}}, {":p", {{"L", entry}}}};
    say(co_await try_call(client, "UpdateItem", append));
}

// Both must outlive the run.
asio::awaitable<void> run(std::string const& name, std::string const& url) {
    if (name == "down_at_start")
        return down_at_start(url);
    if (name == "killed")
        return killed(url);
    if (name == "denied")
        return denied(url);
    if (name == "silent")
        return silent(url);
    if (name == "cancelled")
        return cancelled(url);
    if (name == "cycles")
        return cycles(url);
    if (name == "lost_reply" || name == "lost_reply_not_resent")
        return lost_reply(url, name == "lost_reply");
    throw std::invalid_argument("there is no case " + name);
}

// The context goes while 50 requests are under way: all that they hold is freed, which LeakSanitizer sees.
void abandoned(std::string const& url) {
    asio::io_context context(1);
    auto const fifty = [&]() -> asio::awaitable<void> {
        auto client = make_client(co_await asio::this_coro::executor, url, {.max_connections = 20});
        std::vector<int> const inputs(50);
        auto const list = [&](int) { return client.call("ListTables", nothing); };
        co_await fanout::when_all_settled(inputs, list);
    };
    asio::co_spawn(context, fifty, asio::detached);
    context.run_for(20ms);
    std::cout << (context.stopped() ? "too early\n" : "abandoned\n");
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    std::string const name = argv[1], url = argv[2];
    try {
        if (name == "abandoned") {
            abandoned(url);
            return 0;
        }
        asio::io_context context(1);
        std::exception_ptr failure;
        support::heartbeat beating(context.get_executor());
        asio::co_spawn(context, run(name, url), [&](std::exception_ptr thrown) {
            failure = thrown;
            beating.stop();
        });
        context.run();
        if (failure)
            std::rethrow_exception(failure);
        std::cout << beating << '\n';
    } catch (std::exception const& e) {
        std::cerr << "dynamodb_check: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
