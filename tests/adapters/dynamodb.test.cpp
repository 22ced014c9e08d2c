// SPDX-License-Identifier: BSL-1.0
#include "dynamodb.hpp"

#include <fanout/error.hpp>
#include <fanout/when_all.hpp>

#include "dynamodb_items.hpp"
#include "transient.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace adapters;
using boost::system::error_code;
using boost::system::system_error;
namespace beast = boost::beast;
namespace http = boost::beast::http;

error_code error_of(unsigned status, std::string_view body, std::string* what = nullptr) {
    try {
        parse_dynamodb_reply(status, body);
    } catch (system_error const& e) {
        if (what)
            *what = e.what();
        return e.code();
    }
    return {};
}

error_code error_of_type(std::string const& type) {
    return error_of(400, R"({"__type":"com.amazonaws.dynamodb.v20120810#)" + type + R"(","message":"why"})");
}

} // namespace

TEST_CASE("DynamoDB's error types become codes") {
    for (auto const* type :
         {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"})
        CHECK(error_of_type(type) == dynamodb_errc::throttled);
    CHECK(error_of_type("ConditionalCheckFailedException") == dynamodb_errc::conditional_check_failed);
    CHECK(error_of_type("ValidationException") == dynamodb_errc::validation);
    CHECK(error_of_type("ResourceNotFoundException") == dynamodb_errc::resource_not_found);
    CHECK(error_of_type("ResourceInUseException") == dynamodb_errc::resource_in_use);
    for (auto const* type : {"AccessDeniedException", "UnrecognizedClientException",
                             "InvalidSignatureException", "ExpiredTokenException"})
        CHECK(error_of_type(type) == dynamodb_errc::access_denied);
    CHECK(error_of_type("InternalServerError") == dynamodb_errc::internal_server_error);
    CHECK(error_of_type("SomethingNewException") == dynamodb_errc::unknown);
}

TEST_CASE("an error's type may be bare, or with an address behind") {
    CHECK(error_of(400, R"({"__type":"ThrottlingException"})") == dynamodb_errc::throttled);
    CHECK(error_of(400, R"({"__type":"ValidationException:http://internal.amazon.com/x"})") ==
          dynamodb_errc::validation);
}

TEST_CASE("an error keeps DynamoDB's own words") {
    std::string what;
    error_of(400, R"({"__type":"x#ValidationException","message":"One key is missing"})", &what);
    CHECK(what.find("ValidationException: One key is missing") == 0);
    error_of(400, R"({"__type":"x#AccessDeniedException","Message":"not yours"})", &what);
    CHECK(what.find("AccessDeniedException: not yours") == 0);
}

TEST_CASE("a reply that is not DynamoDB's is malformed, or the server's trouble") {
    CHECK(error_of(200, "<html>hello</html>") == dynamodb_errc::malformed_reply);
    CHECK(error_of(200, "[]") == dynamodb_errc::malformed_reply);
    CHECK(error_of(200, "") == dynamodb_errc::malformed_reply);
    CHECK(error_of(200, R"({"a":1)") == dynamodb_errc::malformed_reply);
    CHECK(error_of(404, "not found") == dynamodb_errc::malformed_reply);
    CHECK(error_of(400, R"({"__type":7})") == dynamodb_errc::malformed_reply);
    CHECK(error_of(302, "") == dynamodb_errc::malformed_reply);
    for (unsigned const status : {500U, 502U, 503U, 504U})
        CHECK(error_of(status, "<html>bad gateway</html>") == dynamodb_errc::internal_server_error);
    CHECK(error_of(429, "") == dynamodb_errc::throttled);
    CHECK(parse_dynamodb_reply(200, R"({"a":1})").at("a") == 1);
}

TEST_CASE("what passes by is retried, what the request got wrong is not") {
    using snapshot::is_worth_a_retry;
    for (error_code const& e :
         {make_error_code(dynamodb_errc::throttled), make_error_code(dynamodb_errc::internal_server_error),
          error_code(asio::error::connection_refused), error_code(asio::error::connection_reset),
          error_code(asio::error::eof), error_code(asio::error::broken_pipe),
          error_code(asio::error::timed_out), error_code(http::error::end_of_stream),
          error_code(http::error::partial_message), error_code(beast::error::timeout),
          make_error_code(fanout::errc::timed_out)}) {
        CAPTURE(e.message());
        CHECK(is_worth_a_retry(e));
    }
    for (error_code const& e :
         {make_error_code(dynamodb_errc::validation), make_error_code(dynamodb_errc::access_denied),
          make_error_code(dynamodb_errc::resource_not_found),
          make_error_code(dynamodb_errc::conditional_check_failed),
          make_error_code(dynamodb_errc::malformed_reply), make_error_code(dynamodb_errc::unknown),
          error_code(asio::error::host_not_found), make_error_code(fanout::errc::cancelled_by_caller),
          make_error_code(fanout::errc::not_started), make_error_code(fanout::errc::exception)}) {
        CAPTURE(e.message());
        CHECK_FALSE(is_worth_a_retry(e));
    }
}

TEST_CASE("only being asked too much is throttling") {
    using snapshot::is_throttled;
    CHECK(is_throttled(make_error_code(dynamodb_errc::throttled)));
    for (error_code const& e :
         {make_error_code(dynamodb_errc::internal_server_error), make_error_code(dynamodb_errc::validation),
          error_code(asio::error::connection_refused), make_error_code(fanout::errc::timed_out),
          error_code()})
        CHECK_FALSE(is_throttled(e));
}

TEST_CASE("an update names its day in a condition, and its count as text") {
    snapshot::video const v{"고양이 \"1\" '\\", std::numeric_limits<std::int64_t>::max()};
    auto const text = json::serialize(snapshot::update_item("VideoTable", v, "2026-11-22"));
    auto const expected = json::parse(R"json({
        "TableName": "VideoTable", "Key": {"id": {"S": "고양이 \"1\" '\\"}},
        "UpdateExpression": "SET history = list_append(if_not_exists(history, :empty), :p) ADD days :days",
        "ConditionExpression": "NOT contains(days, :day)",
        "ExpressionAttributeValues": {
            ":empty": {"L": []}, ":days": {"SS": ["2026-11-22"]}, ":day": {"S": "2026-11-22"},
            ":p": {"L": [{"M": {"date": {"S": "2026-11-22"}, "view_count": {"N": "9223372036854775807"}}}]}}})json");
    CHECK(json::parse(text) == expected);
}

TEST_CASE("a missing count is recorded as NULL, a negative one as it is") {
    CHECK(json::serialize(snapshot::number_or_null(std::nullopt)) == R"({"NULL":true})");
    CHECK(json::serialize(snapshot::number_or_null(-3)) == R"({"N":"-3"})");
}

TEST_CASE("a scan goes on from the last page's key") {
    CHECK_FALSE(snapshot::scan_page("T", nullptr).contains("ExclusiveStartKey"));
    auto const key = json::parse(R"({"id":{"S":"x"}})");
    CHECK(snapshot::scan_page("T", key).at("ExclusiveStartKey") == key);
}

TEST_CASE("entries of the day are counted in the history, whatever else an item holds") {
    auto const page = json::parse(R"({"Items": [
        {"id": {"S": "none"}},
        {"id": {"S": "empty"}, "history": {"L": []}},
        {"id": {"S": "other day"}, "history": {"L": [{"M": {"date": {"S": "2026-11-21"}}}]}},
        {"id": {"S": "once"}, "history": {"L": [{"M": {"date": {"S": "2026-11-21"}}}, {"M": {"date": {"S": "2026-11-22"}}}]}},
        {"id": {"S": "with a time"}, "history": {"L": [{"M": {"date": {"S": "2026-11-22T00:00:01.000Z"}}}]}},
        {"id": {"S": "twice"}, "history": {"L": [{"M": {"date": {"S": "2026-11-22"}}}, {"M": {"date": {"S": "2026-11-22T05:00:00Z"}}}]}},
        {"id": {"S": "odd"}, "history": {"L": [7, {"S": "x"}, {"M": 7}, {"M": {"date": {"N": "2026"}}}, {"M": {}}]}},
        {"id": {"S": "not a list"}, "history": {"M": {}}},
        {"id": {"N": "7"}, "history": {"L": [{"M": {"date": {"S": "2026-11-22"}}}]}},
        {"history": 7}, 7
    ]})")
                          .as_object();
    snapshot::entries_of_day entries;
    snapshot::add_entries(page, "2026-11-22", entries);
    CHECK(entries == snapshot::entries_of_day{{"once", 1}, {"with a time", 1}, {"twice", 2}});
    snapshot::add_entries({}, "2026-11-22", entries);
    snapshot::add_entries({{"Items", 7}}, "2026-11-22", entries);
    CHECK(entries.size() == 3);
}

namespace {

// A server for one connection at a time, on a free port of this machine, that follows a script.
struct scripted_server {
    asio::ip::tcp::acceptor acceptor;
    int connections = 0;
    int requests = 0;
    std::function<void()> on_request; // the next request has come, and is not answered yet
    std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    explicit scripted_server(asio::io_context& io) : acceptor(io, {asio::ip::address_v4::loopback(), 0}) {}

    http_url url() const { return {false, "127.0.0.1", acceptor.local_endpoint().port()}; }

    // Each connection answers `replies` requests with `reply`, then drops when the next request has come (or at once).
    asio::awaitable<void> serve(int replies, bool read_before_drop) {
        for (;;) {
            auto socket = co_await acceptor.async_accept(asio::use_awaitable);
            ++connections;
            try {
                co_await answer(std::move(socket), replies, read_before_drop);
            } catch (system_error const&) { // the client has closed it
            }
        }
    }

    asio::awaitable<void> answer(asio::ip::tcp::socket socket, int replies, bool read_before_drop) {
        std::string bytes;
        for (int i = 0; i < replies; ++i) {
            co_await read_request(socket, bytes);
            co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
        }
        if (read_before_drop)
            co_await read_request(socket, bytes);
    }

    asio::awaitable<void> read_request(asio::ip::tcp::socket& socket, std::string& bytes) {
        auto const head = co_await asio::async_read_until(socket, asio::dynamic_buffer(bytes), "\r\n\r\n",
                                                          asio::use_awaitable);
        auto const length = bytes.find("Content-Length: ");
        REQUIRE(length < head);
        auto const end = head + std::stoul(bytes.substr(length + 16));
        if (bytes.size() < end)
            co_await asio::async_read(socket, asio::dynamic_buffer(bytes),
                                      asio::transfer_exactly(end - bytes.size()), asio::use_awaitable);
        bytes.erase(0, end);
        ++requests;
        if (auto const once = std::exchange(on_request, nullptr))
            once();
    }
};

json::object const nothing; // parameters that outlive a call that is not awaited at once
aws_credentials const nobody{"id", "secret", "", "us-east-1"};

// Runs `client` against a server of that script, and returns the exception it ended with.
template <class Client>
std::exception_ptr run(scripted_server& server, asio::io_context& io, int replies, bool read_before_drop,
                       Client client) {
    std::exception_ptr failure;
    asio::co_spawn(io, server.serve(replies, read_before_drop), asio::detached);
    asio::co_spawn(io, client(), [&](std::exception_ptr e) {
        failure = e;
        io.stop();
    });
    io.run();
    return failure;
}

} // namespace

TEST_CASE("a connection is kept and used again") {
    asio::io_context io(1);
    scripted_server server(io);
    dynamodb_client client(io.get_executor(), server.url(), nobody, {});
    auto const failure = run(server, io, 1000, false, [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 10; ++i)
            co_await client.call("Scan", {});
    });
    CHECK_FALSE(failure);
    CHECK(server.requests == 10);
    CHECK(server.connections == 1);
}

TEST_CASE("a kept connection that dropped is replaced once, without the caller knowing") {
    for (bool const read_before_drop : {false, true}) {
        CAPTURE(read_before_drop);
        asio::io_context io(1);
        scripted_server server(io);
        dynamodb_client client(io.get_executor(), server.url(), nobody, {});
        auto const failure = run(server, io, 2, read_before_drop, [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 6; ++i)
                co_await client.call("Scan", {});
        });
        CHECK_FALSE(failure);
        CHECK(server.connections == 3);
    }
}

TEST_CASE("a request beyond the most connections waits its turn, and takes the connection that comes free") {
    asio::io_context io(1);
    scripted_server server(io);
    dynamodb_client client(io.get_executor(), server.url(), nobody, {.max_connections = 1});
    auto const failure = run(server, io, 1000, false, [&]() -> asio::awaitable<void> {
        std::vector<int> const requests(20);
        auto const call = [&](int) { return client.call("Scan", nothing); };
        auto calls = fanout::when_all(requests, call);
        co_await std::move(calls);
    });
    CHECK_FALSE(failure);
    CHECK(server.requests == 20);
    CHECK(server.connections == 1);
}

TEST_CASE("a cancelled request closes its connection, and its turn goes to the next") {
    asio::io_context io(1);
    scripted_server server(io);
    dynamodb_client client(io.get_executor(), server.url(), nobody, {.max_connections = 1});
    auto const failure = run(server, io, 1000, false, [&]() -> asio::awaitable<void> {
        co_await client.call("Scan", {});
        asio::cancellation_signal stop;
        server.on_request = [&] { stop.emit(asio::cancellation_type::terminal); };
        asio::steady_timer ended(io, asio::steady_timer::time_point::max());
        asio::co_spawn(
            io, client.call("Scan", nothing),
            asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr thrown, json::object) {
                CHECK(thrown);
                ended.cancel();
            }));
        co_await ended.async_wait(asio::as_tuple(asio::use_awaitable));
        co_await client.call("Scan", {});
    });
    CHECK_FALSE(failure);
    CHECK(server.connections == 2);
}

TEST_CASE("a reply that ends keep-alive, or has bytes behind it, closes its connection") {
    for (auto const* reply : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
                              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}surplus"}) {
        CAPTURE(reply);
        asio::io_context io(1);
        scripted_server server(io);
        server.reply = reply;
        dynamodb_client client(io.get_executor(), server.url(), nobody, {});
        auto const failure = run(server, io, 1000, false, [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 3; ++i)
                co_await client.call("Scan", {});
        });
        CHECK_FALSE(failure);
        CHECK(server.connections == 3);
    }
}

TEST_CASE("a connection that cannot be made says where, and the next request makes one") {
    asio::io_context io(1);
    std::optional<scripted_server> server(io);
    auto const url = server->url();
    server.reset(); // no one listens there now
    dynamodb_client client(io.get_executor(), url, nobody, {.max_connections = 1});
    int told = 0;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 2; ++i) {
                try {
                    co_await client.call("Scan", {});
                } catch (system_error const& e) {
                    CHECK(e.code() == asio::error::connection_refused);
                    CHECK(std::string(e.what()).find("cannot connect to DynamoDB at " + url.authority()) ==
                          0);
                    ++told;
                }
            }
        },
        asio::detached);
    io.run();
    CHECK(told == 2);
}

TEST_CASE("a fresh connection that drops is an error at once, and worth a retry") {
    asio::io_context io(1);
    scripted_server server(io);
    dynamodb_client client(io.get_executor(), server.url(), nobody, {});
    auto const failure =
        run(server, io, 0, true, [&]() -> asio::awaitable<void> { co_await client.call("Scan", {}); });
    REQUIRE(failure);
    try {
        std::rethrow_exception(failure);
    } catch (system_error const& e) {
        CHECK(is_transient(e.code()));
    }
    CHECK(server.connections == 1);
}
