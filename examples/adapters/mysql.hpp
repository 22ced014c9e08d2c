// SPDX-License-Identifier: BSL-1.0
#pragma once
// A MySQL or MariaDB session: thin over Boost.MySQL's tcp_ssl_connection, the one class that Boost 1.83 and later
// share (any_connection came with 1.85). Data goes in as parameters of prepared statements, never as text.
//
// A session runs one operation at a time. One that ends neither with its results nor with an error that the server sent
// (cancelled, timed out, cut off) leaves half an answer on the wire: the connection is closed then, and each later use
// fails until connect() opens another. The server goes on with the statement, and may still commit it.

#include "timeout.hpp"
#include "url.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/mysql/common_server_errc.hpp>
#include <boost/mysql/diagnostics.hpp>
#include <boost/mysql/execution_state.hpp>
#include <boost/mysql/handshake_params.hpp>
#include <boost/mysql/mariadb_server_errc.hpp>
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
        if (url_.tls == mysql_tls::verify)
            tls_.set_default_verify_paths();
    }

    // Only while nothing runs on it.
    mysql_session(mysql_session&&) = default;

    // Connects and logs in, or throws system_error that names host and port and says what the server said; it never
    // holds the password. What was open before is dropped.
    asio::awaitable<void> connect(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        require_idle();
        try {
            busy_ = true;
            auto attempt = open();
            co_await with_timeout(std::move(attempt), limit, where_);
            busy_ = false;
        } catch (...) {
            drop();
            throw;
        }
    }

    // Whether it can be used: the question of a pool about a session that comes back.
    bool usable() const { return connection_ && !busy_; }

    // Runs one statement with its parameters and returns its results, whole. With parameters it is prepared, once per
    // session; without, it is sent as it stands, since MySQL (unlike MariaDB) does not prepare all of them, as BEGIN.
    template <class... Params>
    asio::awaitable<mysql::results> execute(std::string sql, Params... params) {
        begin();
        try {
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
            check(error, said);
            busy_ = false;
            co_return out;
        } catch (...) {
            drop_unless_answered();
            throw;
        }
    }

    // Runs one query and calls sink(row_view) for each row; one block of rows is in memory at a time. `limit` is for
    // each wait for the server, not for the whole.
    template <class Sink>
    asio::awaitable<void> read(std::string sql, Sink& sink,
                               std::chrono::milliseconds limit = std::chrono::seconds(60)) {
        begin();
        try {
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
            busy_ = false;
        } catch (...) {
            drop_unless_answered();
            throw;
        }
    }

    // Says goodbye to the server. Without it the connection is just dropped, which is legal too.
    asio::awaitable<void> close() {
        begin();
        try {
            auto closing = say_goodbye();
            co_await with_timeout(std::move(closing), std::chrono::seconds(5), where_);
            drop();
        } catch (...) {
            drop();
            throw;
        }
    }

private:
    using connection = mysql::tcp_ssl_connection;

    void require_idle() const {
        if (busy_)
            throw boost::system::system_error(
                asio::error::in_progress, where_ +
                                              ": the session, which runs one operation at a time, is in the "
                                              "middle of one");
    }

    void begin() {
        require_idle();
        if (!connection_)
            throw boost::system::system_error(
                asio::error::not_connected,
                where_ + ": the session has no connection: never opened, or closed, as after "
                         "an operation that was cancelled or cut off");
        busy_ = true;
    }

    void drop() {
        connection_.reset();
        prepared_.clear(); // they end with their connection
        busy_ = false;
    }

    void drop_unless_answered() {
        if (busy_)
            drop();
    }

    void check(boost::system::error_code const& error, mysql::diagnostics const& said) {
        if (!error)
            return;
        auto what = where_;
        if (std::string_view const words = said.server_message(); !words.empty()) {
            (what += ": ") += words;
            // The server's answer ends the operation and leaves the connection as it was, but for these two.
            busy_ = error == mysql::common_server_errc::er_server_shutdown ||
                    error.value() == mysql::mariadb_server_errc::er_connection_killed;
        }
        throw boost::system::system_error(error, what);
    }

    asio::awaitable<void> open() {
        auto const executor = co_await asio::this_coro::executor;
        prepared_.clear();
        boost::system::error_code error;
        asio::ip::tcp::resolver resolver(executor);
        auto const found = co_await resolver.async_resolve(url_.host, std::to_string(url_.port),
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (error)
            throw boost::system::system_error(error, "cannot resolve the host of " + where_);

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
        check(error, said);
    }

    asio::awaitable<mysql::statement> prepare(std::string_view sql) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const out = co_await connection_->async_prepare_statement(
            sql, said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said);
        co_return out;
    }

    asio::awaitable<void> start(mysql::statement statement, mysql::execution_state& state) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const bound = statement.bind(std::make_tuple());
        co_await connection_->async_start_execution(bound, state, said,
                                                    asio::redirect_error(asio::use_awaitable, error));
        check(error, said);
    }

    asio::awaitable<mysql::rows_view> read_block(mysql::execution_state& state) {
        mysql::diagnostics said;
        boost::system::error_code error;
        auto const out = co_await connection_->async_read_some_rows(
            state, said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said);
        co_return out;
    }

    asio::awaitable<void> say_goodbye() {
        mysql::diagnostics said;
        boost::system::error_code error;
        co_await connection_->async_close(said, asio::redirect_error(asio::use_awaitable, error));
        check(error, said);
    }

    mysql_url url_;
    std::string where_; // for messages
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    std::unique_ptr<connection> connection_; // null: not connected
    bool busy_ = false;                      // from the start of an operation until its end has come
    std::map<std::string, mysql::statement> prepared_; // the server keeps them as long as the connection
};

// One that is connected, as a pool's function makes it.
inline asio::awaitable<mysql_session> open_mysql(mysql_url url) {
    mysql_session out(std::move(url));
    co_await out.connect();
    co_return std::move(out);
}

} // namespace adapters
