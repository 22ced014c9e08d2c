// SPDX-License-Identifier: BSL-1.0
#pragma once
// A DynamoDB client: one coroutine per request over Boost.Beast, JSON in, JSON out, signed by SigV4. It takes
// its connections from a pool, and belongs to one serial executor.

#include <fanout/limit/pool.hpp>

#include "dynamodb_connection.hpp"
#include "dynamodb_error.hpp"
#include "sigv4.hpp"
#include "url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/json/object.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace adapters {

namespace asio = boost::asio;
namespace json = boost::json;
using boost::system::error_code;

// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION or AWS_DEFAULT_REGION, as AWS's
// own tools read them. Without a region: that of the endpoint's name, or us-east-1 for a server on this machine.
// Throws std::runtime_error that says what is missing, and never a value.
aws_credentials credentials_from_environment(http_url const& endpoint);

// Worth another try: throttling, a timeout, a connection that failed, a server's internal error. What the request
// itself got wrong, and what it is not allowed to do, stays so.
bool is_transient(error_code const& error);

// What a reply of this HTTP status with this body means: its JSON, or system_error thrown as call() does.
json::object parse_dynamodb_reply(unsigned status, std::string_view body);

class dynamodb_client {
public:
    struct options {
        std::chrono::milliseconds connect_timeout{5'000};
        std::chrono::milliseconds request_timeout{10'000}; // a request hangs for no caller
        std::size_t max_connections = 256;                 // a request beyond waits its turn
        // A request on a kept connection that the server closes just then is sent once more, as AWS's SDKs do. The
        // server may have done it already: false where doing it twice matters, and the caller gets the error.
        bool resend_if_dropped = true;
    };

    dynamodb_client(asio::any_io_executor executor, http_url endpoint, aws_credentials credentials,
                    options opts);
    dynamodb_client(dynamodb_client const&) = delete;
    dynamodb_client& operator=(dynamodb_client const&) = delete;
    ~dynamodb_client();

    // One request, as "UpdateItem", and its reply. Throws system_error: a code of dynamodb_category() with
    // DynamoDB's own words, or the connection's code. A cancelled or failed request closes its connection. Both
    // arguments must outlive the call.
    asio::awaitable<json::object> call(std::string_view operation, json::object const& parameters);

private:
    using connection_ptr = std::unique_ptr<dynamodb_connection>;

    asio::awaitable<connection_ptr> connect();
    asio::awaitable<dynamodb_connection::reply> exchange(dynamodb_connection& on, std::string_view operation,
                                                         std::string const& body);

    asio::any_io_executor executor_;
    http_url endpoint_;
    aws_credentials credentials_;
    options options_;
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    std::optional<dynamodb_connection::endpoints> resolved_;
    fanout::pool<connection_ptr> connections_; // last: what is in it uses tls_
};

} // namespace adapters
