// SPDX-License-Identifier: BSL-1.0
#include "dynamodb.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace adapters {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::system_error;

aws_credentials credentials_from_environment(http_url const& endpoint) {
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

bool is_transient(error_code const& error) {
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

json::object parse_dynamodb_reply(unsigned status, std::string_view body) {
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

struct dynamodb_client::connection {
    explicit connection(asio::any_io_executor const& executor) : tcp(executor) {}
    beast::tcp_stream tcp;
    std::optional<asio::ssl::stream<beast::tcp_stream&>> tls;
    beast::flat_buffer buffer;
};

struct dynamodb_client::reply {
    error_code error;
    bool got_bytes = false;
    http::response<http::string_body> message;

    bool is_stale() const {
        return error && !got_bytes && error != beast::error::timeout &&
               error != asio::error::operation_aborted;
    }
};

class dynamodb_client::turn {
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

dynamodb_client::dynamodb_client(asio::any_io_executor executor, http_url endpoint,
                                 aws_credentials credentials, options opts)
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

dynamodb_client::~dynamodb_client() = default;

asio::awaitable<dynamodb_client::turn> dynamodb_client::take_turn() {
    if (!turns_.try_send(error_code{}))
        co_await turns_.async_send(error_code{}, asio::use_awaitable);
    co_return turn(turns_);
}

dynamodb_client::connection_ptr dynamodb_client::take_idle() {
    if (idle_.empty())
        return nullptr;
    auto out = std::move(idle_.back());
    idle_.pop_back();
    return out;
}

asio::awaitable<dynamodb_client::connection_ptr> dynamodb_client::connect() {
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
    co_return out;
}

void dynamodb_client::throw_if(error_code const& error, char const* what) const {
    if (error)
        throw system_error(error, what + endpoint_.authority());
}

namespace {

http::request<http::string_body> make_request(http_url const& endpoint, aws_credentials const& credentials,
                                              std::string_view operation, std::string const& body) {
    sigv4_request to_sign;
    to_sign.headers = {{"Host", endpoint.authority()},
                       {"Content-Type", "application/x-amz-json-1.0"},
                       {"X-Amz-Target", "DynamoDB_20120810." + std::string(operation)}};
    if (!credentials.session_token.empty())
        to_sign.headers.emplace_back("X-Amz-Security-Token", credentials.session_token);
    to_sign.body = body;
    auto const signature = sign_v4(to_sign, credentials, "dynamodb", std::chrono::system_clock::now());
    http::request<http::string_body> out(http::verb::post, "/", 11);
    for (auto const& [name, value] : to_sign.headers)
        out.set(name, value);
    out.set("X-Amz-Date", signature.amz_date);
    out.set(http::field::authorization, signature.authorization);
    out.body() = body;
    out.prepare_payload();
    return out;
}

template <class Stream>
asio::awaitable<void> exchange_over(Stream& stream, beast::flat_buffer& buffer,
                                    http::request<http::string_body> const& request, auto& out) {
    http::response_parser<http::string_body> parser;
    parser.body_limit(32 * 1024 * 1024); // a page of a scan has 1 MB of data
    co_await http::async_write(stream, request, asio::redirect_error(asio::use_awaitable, out.error));
    if (!out.error)
        co_await http::async_read(stream, buffer, parser,
                                  asio::redirect_error(asio::use_awaitable, out.error));
    out.got_bytes = parser.got_some() || buffer.size() != 0;
    if (!out.error)
        out.message = parser.release();
}

} // namespace

asio::awaitable<dynamodb_client::reply> dynamodb_client::exchange(connection& on, std::string_view operation,
                                                                  std::string const& body) {
    auto const request = make_request(endpoint_, credentials_, operation, body);
    on.tcp.expires_after(options_.request_timeout);
    reply out;
    if (on.tls)
        co_await exchange_over(*on.tls, on.buffer, request, out);
    else
        co_await exchange_over(on.tcp, on.buffer, request, out);
    co_return out;
}

// The reply's JSON, or its error thrown. The connection goes back to the idle ones if it can serve again.
json::object dynamodb_client::finish(connection_ptr used, reply const& r) {
    throw_if(r.error, "no good reply from DynamoDB at ");
    if (r.message.keep_alive() && used->buffer.size() == 0)
        idle_.push_back(std::move(used));
    return parse_dynamodb_reply(r.message.result_int(), r.message.body());
}

asio::awaitable<json::object> dynamodb_client::call(std::string_view operation,
                                                    json::object const& parameters) {
    auto const body = json::serialize(parameters);
    turn const mine = co_await take_turn();
    auto reused = take_idle();
    if (reused) {
        auto answer = co_await exchange(*reused, operation, body);
        // The server may close an idle connection just when we write to it. Only if not one byte of a reply came
        // is it worth a fresh connection, once, as AWS's SDKs do. The server may still have seen the request: our
        // writes are conditional, so that doing them twice changes nothing.
        if (!answer.is_stale())
            co_return finish(std::move(reused), answer);
        reused.reset();
        idle_.clear(); // of the same age, so most likely closed too
    }
    auto fresh = co_await connect();
    auto answer = co_await exchange(*fresh, operation, body);
    co_return finish(std::move(fresh), answer);
}

} // namespace adapters
