// SPDX-License-Identifier: BSL-1.0
#include "dynamodb_connection.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>

namespace adapters {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using boost::system::system_error;

asio::awaitable<void> dynamodb_connection::open(http_url const& endpoint, endpoints const& addresses,
                                                asio::ssl::context& tls, std::chrono::milliseconds limit) {
    error_code error;
    tcp_.expires_after(limit);
    co_await tcp_.async_connect(addresses, asio::redirect_error(asio::use_awaitable, error));
    if (error)
        throw system_error(error, "cannot connect to DynamoDB at " + endpoint.authority());
    tcp_.socket().set_option(asio::ip::tcp::no_delay(true));
    if (!endpoint.tls)
        co_return;
    auto& stream = tls_.emplace(tcp_, tls);
    stream.set_verify_callback(asio::ssl::host_name_verification(endpoint.host));
    error_code not_an_address;
    asio::ip::make_address(endpoint.host, not_an_address);
    if (not_an_address) // SNI is for names
        SSL_set_tlsext_host_name(stream.native_handle(), endpoint.host.c_str());
    co_await stream.async_handshake(asio::ssl::stream_base::client,
                                    asio::redirect_error(asio::use_awaitable, error));
    if (error)
        throw system_error(error, "no TLS with DynamoDB at " + endpoint.authority());
}

namespace {

template <class Stream>
asio::awaitable<void> exchange_over(Stream& stream, beast::flat_buffer& buffer,
                                    dynamodb_connection::request const& request,
                                    dynamodb_connection::reply& out) {
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

asio::awaitable<dynamodb_connection::reply> dynamodb_connection::exchange(request const& to_send,
                                                                          std::chrono::milliseconds limit) {
    reusable_ = false;
    ++exchanges_;
    tcp_.expires_after(limit);
    reply out;
    if (tls_)
        co_await exchange_over(*tls_, buffer_, to_send, out);
    else
        co_await exchange_over(tcp_, buffer_, to_send, out);
    reusable_ = !out.error && out.message.keep_alive() && buffer_.size() == 0;
    co_return out;
}

bool dynamodb_connection::was_closed_while_idle(reply const& r) const {
    return exchanges_ > 1 && r.error && !r.got_bytes && r.error != beast::error::timeout &&
           r.error != asio::error::operation_aborted;
}

} // namespace adapters
