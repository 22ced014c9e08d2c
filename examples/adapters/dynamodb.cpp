// SPDX-License-Identifier: BSL-1.0
#include "dynamodb.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>
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

dynamodb_client::dynamodb_client(asio::any_io_executor executor, http_url endpoint,
                                 aws_credentials credentials, options opts)
    : executor_(executor),
      endpoint_(std::move(endpoint)),
      credentials_(std::move(credentials)),
      options_(opts),
      connections_(
          opts.max_connections, [this] { return connect(); },
          [](connection_ptr const& used) { return used->is_reusable(); }) {
    if (!endpoint_.tls)
        return;
    tls_.set_default_verify_paths();
    tls_.set_verify_mode(asio::ssl::verify_peer);
}

dynamodb_client::~dynamodb_client() = default;

asio::awaitable<dynamodb_client::connection_ptr> dynamodb_client::connect() {
    if (!resolved_) { // the first request asks the resolver, for all
        error_code error;
        asio::ip::tcp::resolver resolver(executor_);
        auto found = co_await resolver.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                                                     asio::redirect_error(asio::use_awaitable, error));
        if (error)
            throw system_error(error, "cannot resolve DynamoDB's host " + endpoint_.authority());
        resolved_ = std::move(found);
    }
    auto const addresses = *resolved_; // a copy: another request may reset them
    auto out = std::make_unique<dynamodb_connection>(executor_);
    try {
        co_await out->open(endpoint_, addresses, tls_, options_.connect_timeout);
    } catch (...) {
        resolved_.reset(); // it may have moved
        throw;
    }
    co_return out;
}

namespace {

dynamodb_connection::request make_request(http_url const& endpoint, aws_credentials const& credentials,
                                          std::string_view operation, std::string const& body) {
    sigv4_request to_sign;
    to_sign.headers = {{"Host", endpoint.authority()},
                       {"Content-Type", "application/x-amz-json-1.0"},
                       {"X-Amz-Target", "DynamoDB_20120810." + std::string(operation)}};
    if (!credentials.session_token.empty())
        to_sign.headers.emplace_back("X-Amz-Security-Token", credentials.session_token);
    to_sign.body = body;
    auto const signature = sign_v4(to_sign, credentials, "dynamodb", std::chrono::system_clock::now());
    dynamodb_connection::request out(http::verb::post, "/", 11);
    for (auto const& [name, value] : to_sign.headers)
        out.set(name, value);
    out.set("X-Amz-Date", signature.amz_date);
    out.set(http::field::authorization, signature.authorization);
    out.body() = body;
    out.prepare_payload();
    return out;
}

} // namespace

asio::awaitable<dynamodb_connection::reply>
dynamodb_client::exchange(dynamodb_connection& on, std::string_view operation, std::string const& body) {
    // Signed here, not while it waited for a connection: a signature is of its minute.
    auto const request = make_request(endpoint_, credentials_, operation, body);
    co_return co_await on.exchange(request, options_.request_timeout);
}

asio::awaitable<json::object> dynamodb_client::call(std::string_view operation,
                                                    json::object const& parameters) {
    auto const body = json::serialize(parameters);
    auto mine = co_await connections_.acquire();
    auto answer = co_await exchange(**mine, operation, body);
    if (options_.resend_if_dropped && (*mine)->was_closed_while_idle(answer)) {
        *mine = co_await connect();
        answer = co_await exchange(**mine, operation, body);
    }
    if (answer.error)
        throw system_error(answer.error, "no good reply from DynamoDB at " + endpoint_.authority());
    mine.give_back(); // else, as by any exception and by cancellation, the connection is closed
    co_return parse_dynamodb_reply(answer.message.result_int(), answer.message.body());
}

} // namespace adapters
