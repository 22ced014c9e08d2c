// SPDX-License-Identifier: BSL-1.0
#pragma once
// A MySQL or MariaDB session: thin over Boost.MySQL's tcp_ssl_connection, the one class that Boost 1.83 and later
// share (any_connection came with 1.85). Data goes in as parameters of prepared statements, never as text.

#include "timeout.hpp"
#include "url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/mysql/error_with_diagnostics.hpp>
#include <boost/mysql/execution_state.hpp>
#include <boost/mysql/results.hpp>
#include <boost/mysql/row_view.hpp>
#include <boost/mysql/rows_view.hpp>
#include <boost/mysql/statement.hpp>
#include <boost/mysql/tcp_ssl.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace adapters {

namespace asio = boost::asio;
namespace mysql = boost::mysql;

class mysql_session {
public:
    explicit mysql_session(mysql_url url)
        : url_(std::move(url)), where_("MySQL at " + url_.host + ':' + std::to_string(url_.port)) {
        tls_.set_default_verify_paths();
    }

    mysql_session(mysql_session const&) = delete;
    mysql_session& operator=(mysql_session const&) = delete;

    // Connects and logs in, or throws system_error that names host and port and says what the server said; it never
    // holds the password.
    asio::awaitable<void> connect(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        auto attempt = open();
        co_await with_timeout(std::move(attempt), limit, where_);
    }

    // Runs one statement with its parameters and returns its results, whole. With parameters it is prepared, once per
    // session; without, it is sent as it stands, since MySQL (unlike MariaDB) does not prepare all of them, as BEGIN.
    template <class... Params>
    asio::awaitable<mysql::results> execute(std::string sql, Params... params) {
        mysql::results out;
        mysql::diagnostics said;
        boost::system::error_code error;
        if constexpr (sizeof...(Params) == 0) {
            co_await connection_->async_execute(sql, out, said,
                                                asio::redirect_error(asio::use_awaitable, error));
        } else {
            auto& statement = prepared_[sql];
            if (!statement.valid())
                statement = co_await prepare(sql);
            auto const bound = statement.bind(std::move(params)...);
            co_await connection_->async_execute(bound, out, said,
                                                asio::redirect_error(asio::use_awaitable, error));
        }
        check(error, said, where_);
        co_return out;
    }

    // Runs one query and calls sink(row_view) for each row; one block of rows is in memory at a time. `limit` is for
    // each wait for the server, not for the whole.
    template <class Sink>
    asio::awaitable<void> read(std::string sql, Sink& sink,
                               std::chrono::milliseconds limit = std::chrono::seconds(60)) {
        auto preparing = prepare(sql);
        auto const statement = co_await with_timeout(std::move(preparing), limit, where_);
        mysql::execution_state state;
        auto starting = start(statement, state);
        co_await with_timeout(std::move(starting), limit, where_);
        while (!state.complete()) {
            auto reading = read_block(state);
            auto const block = co_await with_timeout(std::move(reading), limit, where_);
            for (mysql::row_view const row : block)
                sink(row);
        }
    }

    // Says goodbye to the server. Without it the connection is just dropped, which is legal too.
    asio::awaitable<void> close() {
        auto closing = say_goodbye();
        co_await with_timeout(std::move(closing), std::chrono::seconds(5), where_);
    }

private:
    using connection = mysql::tcp_ssl_connection;

    static void check(boost::system::error_code const& error, mysql::diagnostics const& said,
                      std::string const& where) {
        if (!error)
            return;
        auto what = where;
        if (std::string_view const words = said.server_message(); !words.empty())
            (what += ": ") += words;
        throw boost::system::system_error(error, what);
    }

    asio::awaitable<void> open() {
        auto const executor = co_await asio::this_coro::executor;
        prepared_.clear(); // they end with their connection
        boost::system::error_code error;
        asio::ip::tcp::resolver resolver(executor);
        auto const found = co_await resolver.async_resolve(url_.host, std::to_string(url_.port),
                                                           asio::redirect_error(asio::use_awaitable, error));
        check(error, {}, "cannot resolve the host of " + where_);

        auto const password = url_.password.value_or("");
        mysql::handshake_params login(url_.user, password, url_.database);
        login.set_ssl(url_.tls == mysql_tls::disable ? mysql::ssl_mode::disable : mysql::ssl_mode::require);
        mysql::diagnostics said;
        for (auto const& candidate : found) { // a name may have an IPv6 and an IPv4 address
            connection_ = std::make_unique<connection>(executor, tls_);
            if (url_.tls == mysql_tls::verify) {
                connection_->stream().set_verify_mode(asio::ssl::verify_peer);
                connection_->stream().set_verify_callback(asio::ssl::host_name_verification(url_.host));
            }
            asio::ip::tcp::endpoint const endpoint = candidate.endpoint();
            co_await connection_->async_connect(endpoint, login, said,
                                                asio::redirect_error(asio::use_awaitable, error));
            if (!error ||
                !said.server_message().empty()) // a server's own answer: no other address does better
                break;
        }
        check(error, said, where_);
    }

    asio::awaitable<mysql::statement> prepare(std::string_view sql) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const out = co_await connection_->async_prepare_statement(
            sql, said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said, where_);
        co_return out;
    }

    asio::awaitable<void> start(mysql::statement statement, mysql::execution_state& state) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const bound = statement.bind(std::make_tuple());
        co_await connection_->async_start_execution(bound, state, said,
                                                    asio::redirect_error(asio::use_awaitable, error));
        check(error, said, where_);
    }

    asio::awaitable<mysql::rows_view> read_block(mysql::execution_state& state) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const out = co_await connection_->async_read_some_rows(
            state, said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said, where_);
        co_return out;
    }

    asio::awaitable<void> say_goodbye() {
        mysql::diagnostics said;
        boost::system::error_code error;
        co_await connection_->async_close(said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said, where_);
    }

    mysql_url url_;
    std::string where_; // for messages
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    std::unique_ptr<connection> connection_;
    std::map<std::string, mysql::statement> prepared_; // the server keeps them as long as the connection
};

} // namespace adapters
