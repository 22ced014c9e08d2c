// SPDX-License-Identifier: BSL-1.0
#pragma once
// A DynamoDB client: one coroutine per request over Boost.Beast, JSON in, JSON out, signed by SigV4. It keeps
// connections alive and reuses them, and belongs to one serial executor: it has no lock.
//
// Boost.JSON is header-only through <boost/json/src.hpp>: include that in exactly one .cpp of the program.

#include "dynamodb_error.hpp"
#include "sigv4.hpp"
#include "url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapters {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using boost::system::error_code;
using boost::system::system_error;

// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION or AWS_DEFAULT_REGION, as AWS's
// own tools read them. Without a region: that of the endpoint's name, or us-east-1 for a server on this machine.
// Throws std::runtime_error that says what is missing, and never a value.
inline aws_credentials credentials_from_environment(http_url const& endpoint) {
    auto const get = [](char const* name) {
        auto const* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    aws_credentials out{get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY"), get("AWS_SESSION_TOKEN"),
                        get("AWS_REGION")};
    if (out.access_key_id.empty() || out.secret_access_key.empty())
        throw std::runtime_error(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment (DynamoDB "
            "Local takes any letters and digits)");
    if (out.region.empty())
        out.region = get("AWS_DEFAULT_REGION");
    if (out.region.empty() && endpoint.host.starts_with("dynamodb.")) {
        auto const rest = endpoint.host.substr(9);
        out.region = rest.substr(0, rest.find('.'));
    }
    if (out.region.empty() && is_loopback(endpoint.host))
        out.region = "us-east-1";
    if (out.region.empty())
        throw std::runtime_error("set AWS_REGION in the environment: the endpoint's name does not tell it");
    return out;
}

// Worth another try: throttling, a timeout, a connection that failed, a server's internal error. What the request
// itself got wrong, and what it is not allowed to do, stays so.
inline bool is_transient(error_code const& error) {
    if (error.category() == dynamodb_category())
        return error == dynamodb_errc::throttled || error == dynamodb_errc::internal_server_error;
    namespace errc = boost::system::errc;
    return error == errc::timed_out || error == errc::connection_reset || error == errc::connection_refused ||
           error == errc::connection_aborted || error == errc::broken_pipe ||
           error == errc::network_unreachable || error == errc::host_unreachable ||
           error == asio::error::eof || error == asio::ssl::error::stream_truncated ||
           error == http::error::end_of_stream || error == http::error::partial_message ||
           error == beast::error::timeout;
}

class dynamodb_client {
public:
    struct options {
        std::chrono::milliseconds connect_timeout{5'000};
        std::chrono::milliseconds request_timeout{10'000}; // a request hangs for no caller
        std::size_t max_connections = 256;                 // a request beyond waits its turn
    };

    dynamodb_client(asio::any_io_executor executor, http_url endpoint, aws_credentials credentials,
                    options opts)
        : executor_(executor),
          endpoint_(std::move(endpoint)),
          credentials_(std::move(credentials)),
          options_(opts),
          turns_(executor, opts.max_connections) {
        if (!endpoint_.tls)
            return;
        tls_.set_default_verify_paths();
        tls_.set_verify_mode(asio::ssl::verify_peer);
    }

    dynamodb_client(dynamodb_client const&) = delete;
    dynamodb_client& operator=(dynamodb_client const&) = delete;

    // One request, as "UpdateItem", and its reply. Throws system_error: a code of dynamodb_category() with
    // DynamoDB's own words, or the connection's code. A cancelled or failed request closes its connection.
    asio::awaitable<json::object> call(std::string_view operation, json::object const& parameters) {
        auto const body = json::serialize(parameters);
        turn const mine = co_await take_turn();
        auto reused = take_idle();
        if (reused) {
            auto answer = co_await exchange(*reused, operation, body);
            // The server may close an idle connection just when we write to it. Only if not one byte of a reply came
            // is it worth a fresh connection, once, as AWS's SDKs do. The server may still have seen the request: our
            // writes are conditional, so that doing them twice changes nothing.
            if (!is_stale(answer))
                co_return finish(std::move(reused), answer);
            reused.reset();
            idle_.clear(); // of the same age, so most likely closed too
        }
        auto fresh = co_await connect();
        auto answer = co_await exchange(*fresh, operation, body);
        co_return finish(std::move(fresh), answer);
    }

    std::size_t connections_made() const { return connections_made_; }

private:
    struct connection {
        explicit connection(asio::any_io_executor const& executor) : tcp(executor) {}
        beast::tcp_stream tcp;
        std::optional<asio::ssl::stream<beast::tcp_stream&>> tls;
        beast::flat_buffer buffer;
    };
    using connection_ptr = std::unique_ptr<connection>;

    struct reply {
        error_code error;
        bool got_bytes = false;
        http::response<http::string_body> message;
    };

    // A channel as a semaphore: a message in it is a request under way, and a send waits while it is full.
    using turns = asio::experimental::channel<void(error_code)>;
    class turn {
    public:
        explicit turn(turns& from) : from_(&from) {}
        turn(turn&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
        turn& operator=(turn&&) = delete;
        ~turn() {
            if (from_)
                from_->try_receive([](error_code) {});
        }

    private:
        turns* from_;
    };

    asio::awaitable<turn> take_turn() {
        if (!turns_.try_send(error_code{}))
            co_await turns_.async_send(error_code{}, asio::use_awaitable);
        co_return turn(turns_);
    }

    connection_ptr take_idle() {
        if (idle_.empty())
            return nullptr;
        auto out = std::move(idle_.back());
        idle_.pop_back();
        return out;
    }

    asio::awaitable<connection_ptr> connect() {
        auto out = std::make_unique<connection>(executor_);
        error_code error;
        if (!resolved_) { // the first request asks the resolver, for all
            asio::ip::tcp::resolver resolver(executor_);
            auto found = co_await resolver.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                                                         asio::redirect_error(asio::use_awaitable, error));
            throw_if(error, "cannot resolve DynamoDB's host ");
            resolved_ = std::move(found);
        }
        auto const endpoints = *resolved_;
        out->tcp.expires_after(options_.connect_timeout);
        co_await out->tcp.async_connect(endpoints, asio::redirect_error(asio::use_awaitable, error));
        if (error)
            resolved_.reset(); // it may have moved
        throw_if(error, "cannot connect to DynamoDB at ");
        out->tcp.socket().set_option(asio::ip::tcp::no_delay(true));
        if (endpoint_.tls) {
            auto& tls = out->tls.emplace(out->tcp, tls_);
            tls.set_verify_callback(asio::ssl::host_name_verification(endpoint_.host));
            error_code not_an_address;
            asio::ip::make_address(endpoint_.host, not_an_address);
            if (not_an_address) // SNI is for names
                SSL_set_tlsext_host_name(tls.native_handle(), endpoint_.host.c_str());
            co_await tls.async_handshake(asio::ssl::stream_base::client,
                                         asio::redirect_error(asio::use_awaitable, error));
            throw_if(error, "no TLS with DynamoDB at ");
        }
        ++connections_made_;
        co_return out;
    }

    void throw_if(error_code const& error, char const* what) const {
        if (error)
            throw system_error(error, what + endpoint_.authority());
    }

    http::request<http::string_body> make_request(std::string_view operation, std::string const& body) const {
        sigv4_request to_sign;
        to_sign.headers = {{"Host", endpoint_.authority()},
                           {"Content-Type", "application/x-amz-json-1.0"},
                           {"X-Amz-Target", "DynamoDB_20120810." + std::string(operation)}};
        if (!credentials_.session_token.empty())
            to_sign.headers.emplace_back("X-Amz-Security-Token", credentials_.session_token);
        to_sign.body = body;
        auto const signature = sign_v4(to_sign, credentials_, "dynamodb", std::chrono::system_clock::now());
        http::request<http::string_body> out(http::verb::post, "/", 11);
        for (auto const& [name, value] : to_sign.headers)
            out.set(name, value);
        out.set("X-Amz-Date", signature.amz_date);
        out.set(http::field::authorization, signature.authorization);
        out.body() = body;
        out.prepare_payload();
        return out;
    }

    asio::awaitable<reply> exchange(connection& on, std::string_view operation, std::string const& body) {
        auto const request = make_request(operation, body);
        on.tcp.expires_after(options_.request_timeout);
        if (on.tls)
            co_return co_await exchange_over(*on.tls, on.buffer, request);
        co_return co_await exchange_over(on.tcp, on.buffer, request);
    }

    template <class Stream>
    static asio::awaitable<reply> exchange_over(Stream& stream, beast::flat_buffer& buffer,
                                                http::request<http::string_body> const& request) {
        reply out;
        http::response_parser<http::string_body> parser;
        parser.body_limit(32 * 1024 * 1024); // a page of a scan has 1 MB of data
        co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, out.error));
        if (!out.error)
            co_await http::async_read(stream, buffer, parser,
                                      asio::redirect_error(asio::use_awaitable, out.error));
        out.got_bytes = parser.got_some() || buffer.size() != 0;
        if (!out.error)
            out.message = parser.release();
        co_return out;
    }

    static bool is_stale(reply const& r) {
        return r.error && !r.got_bytes && r.error != beast::error::timeout &&
               r.error != asio::error::operation_aborted;
    }

    // The reply's JSON, or its error thrown. The connection goes back to the idle ones if it can serve again.
    json::object finish(connection_ptr used, reply const& r) {
        throw_if(r.error, "no good reply from DynamoDB at ");
        if (r.message.keep_alive() && used->buffer.size() == 0)
            idle_.push_back(std::move(used));
        return parse_reply(r.message.result_int(), r.message.body());
    }

public:
    // What a reply of this status with this body means; throws as call does.
    static json::object parse_reply(unsigned status, std::string_view body) {
        error_code error;
        auto value = json::parse(body, error);
        auto* object = error ? nullptr : value.if_object();
        if (status == 200 && object)
            return std::move(*object);
        auto const text = [object](std::string_view name) -> std::string {
            auto const* found = object ? object->if_contains(name) : nullptr;
            return found && found->is_string() ? std::string(found->get_string()) : std::string();
        };
        auto const type = text("__type");
        auto const message = text("message").empty() ? text("Message") : text("message");
        auto const code = status == 200 ? dynamodb_errc::malformed_reply : to_dynamodb_errc(status, type);
        auto what = "HTTP status " + std::to_string(status);
        if (!type.empty())
            what = type.substr(type.find('#') + 1);
        if (!message.empty())
            what += ": " + message;
        throw system_error(make_error_code(code), what);
    }

private:
    asio::any_io_executor executor_;
    http_url endpoint_;
    aws_credentials credentials_;
    options options_;
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    std::optional<asio::ip::tcp::resolver::results_type> resolved_;
    turns turns_;
    std::vector<connection_ptr> idle_;
    std::size_t connections_made_ = 0;
};

} // namespace adapters
