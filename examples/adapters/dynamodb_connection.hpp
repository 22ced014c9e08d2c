// SPDX-License-Identifier: BSL-1.0
#pragma once
// One connection to DynamoDB, kept alive: HTTP/1.1 over TCP or TLS, one request at a time.

#include "url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <optional>

namespace adapters {

namespace asio = boost::asio;

class dynamodb_connection {
public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;
    using endpoints = asio::ip::tcp::resolver::results_type;

    struct reply {
        boost::system::error_code error;
        bool got_bytes = false;
        boost::beast::http::response<boost::beast::http::string_body> message;
    };

    explicit dynamodb_connection(asio::any_io_executor const& executor) : tcp_(executor) {}
    dynamodb_connection(dynamodb_connection const&) = delete;
    dynamodb_connection& operator=(dynamodb_connection const&) = delete;

    // Throws system_error, which names the host. `tls` is used where the endpoint says so, and must outlive this.
    asio::awaitable<void> open(http_url const& endpoint, endpoints const& addresses, asio::ssl::context& tls,
                               std::chrono::milliseconds limit);

    // Sends the request and reads its reply. Errors come in the reply; a cancelled one is operation_aborted.
    asio::awaitable<reply> exchange(request const& to_send, std::chrono::milliseconds limit);

    // A server may close an idle connection just when we write to it. Then not one byte of a reply comes, and the
    // request is worth a fresh connection.
    bool was_closed_while_idle(reply const& r) const;

    // The last request ended well, and another may follow: the server keeps the connection, nothing is left to read.
    bool is_reusable() const { return reusable_; }

private:
    boost::beast::tcp_stream tcp_;
    std::optional<asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
    boost::beast::flat_buffer buffer_;
    unsigned long exchanges_ = 0;
    bool reusable_ = false;
};

} // namespace adapters
