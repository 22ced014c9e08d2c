// SPDX-License-Identifier: BSL-1.0
#pragma once
// A PostgreSQL session: libpq's non-blocking interface, with Asio to wait on its socket. Data goes in as parameters,
// never as text of the statement.

#include "postgres_error.hpp"
#include "postgres_url.hpp"
#include "postgres_values.hpp"
#include "timeout.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapters {

namespace asio = boost::asio;

// One connection, on the serial executor of the coroutines that use it, which it must outlive. It runs one operation
// at a time; another that is begun meanwhile throws std::logic_error. An operation that is cancelled closes the
// connection. Then nobody knows what became of it: the server notices only when the statement has ended, and goes on
// with it until then. (To stop it takes a second connection, and libpq before 17 only has a blocking call for that.)
class postgres_session {
public:
    explicit postgres_session(postgres_url url)
        : url_(std::move(url)), where_("PostgreSQL at " + url_.host + ':' + std::to_string(url_.port)) {}
    postgres_session(postgres_session const&) = delete;
    postgres_session& operator=(postgres_session const&) = delete;

    // Connects and logs in, or throws postgres_error; also when it has taken longer than `limit`.
    asio::awaitable<void> connect(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        auto attempt = open();
        try {
            co_await with_timeout(std::move(attempt), limit, where_);
        } catch (boost::system::system_error const& e) {
            if (e.code() != asio::error::timed_out)
                throw;
            throw postgres_error("08001",
                                 where_ + ": no answer within " + std::to_string(limit.count()) + " ms");
        }
    }

    // Runs one statement with its parameters $1, $2, … and returns its rows, whole. Throws postgres_error.
    template <class... Params>
    asio::awaitable<postgres_result> execute(std::string sql, Params const&... params) {
        return run(std::move(sql), {detail::as_text(params)...});
    }

    // Sends the server a goodbye, if it takes one at once; waits for nothing. Not while an operation runs.
    void close() { operation const halfway(*this); }

    bool is_open() const noexcept { return PQstatus(connection_.get()) == CONNECTION_OK; }

    // For the few statements that take no parameters, such as PREPARE TRANSACTION: 'text' in quotes.
    std::string literal(std::string const& text) const {
        if (!is_open())
            throw postgres_error("08003", where_ + ": the connection is closed");
        std::unique_ptr<char, void (*)(void*)> const quoted(
            PQescapeLiteral(connection_.get(), text.data(), text.size()), PQfreemem);
        if (!quoted)
            throw std::invalid_argument(where_ + ": " + one_line(PQerrorMessage(connection_.get())));
        return quoted.get();
    }

private:
    using wait_type = asio::posix::stream_descriptor::wait_type;
    struct finish {
        void operator()(PGconn* connection) const { PQfinish(connection); }
    };
    struct clear {
        void operator()(PGresult* result) const { PQclear(result); }
    };
    using result_ptr = std::unique_ptr<PGresult, clear>;

    // libpq owns its socket, closes it and opens others as it sees fit (the next address, a lost connection). So Asio
    // has it only while we wait, and gives it back unclosed.
    class borrowed_socket {
    public:
        borrowed_socket(asio::any_io_executor const& executor, int socket) : stream_(executor, socket) {}
        borrowed_socket(borrowed_socket const&) = delete;
        borrowed_socket& operator=(borrowed_socket const&) = delete;
        ~borrowed_socket() { stream_.release(); }
        asio::posix::stream_descriptor* operator->() { return &stream_; }

    private:
        asio::posix::stream_descriptor stream_;
    };

    // An operation, from begin to end. Where it is left halfway, by an exception or by cancellation, the connection is
    // closed: an answer to come would be taken for that of the next statement.
    class operation {
    public:
        explicit operation(postgres_session& session) : session_(session) {
            if (std::exchange(session_.busy_, true))
                throw std::logic_error(session_.where_ + ": the connection runs one operation at a time");
        }
        operation(operation const&) = delete;
        operation& operator=(operation const&) = delete;
        ~operation() {
            session_.busy_ = false;
            if (!completed_)
                session_.connection_.reset();
        }
        void complete() { completed_ = true; }

    private:
        postgres_session& session_;
        bool completed_ = false;
    };

    static std::string one_line(std::string text) {
        std::replace_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
        return text.substr(0, text.find_last_not_of(' ') + 1);
    }

    postgres_error lost(char const* state = "08006") const {
        return {state, where_ + ": " + one_line(PQerrorMessage(connection_.get()))};
    }

    // libpq resolves names by a call that blocks; addresses it takes as they are. Resolving cannot be interrupted:
    // where it is slow, it is waited for, whatever the limit.
    asio::awaitable<std::vector<std::string>> resolve() {
        std::vector<std::string> out;
        boost::system::error_code error;
        asio::ip::make_address(url_.host, error);
        if (!error) {
            out.push_back(url_.host);
            co_return out;
        }
        asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
        auto const found = co_await resolver.async_resolve(url_.host, std::to_string(url_.port),
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (error)
            throw postgres_error("08001", "cannot resolve the host of " + where_ + ": " + error.message());
        for (auto const& candidate : found)
            out.push_back(candidate.endpoint().address().to_string());
        co_return out;
    }

    // libpq tries the addresses in their order; the name, once for each, is what the certificate is checked against.
    void start(std::vector<std::string> const& addresses) {
        std::string host, hostaddr;
        for (auto const& address : addresses) {
            host += (host.empty() ? "" : ",") + url_.host;
            hostaddr += (hostaddr.empty() ? "" : ",") + address;
        }
        auto const port = std::to_string(url_.port);
        // Without gssencmode it may ask a ticket server, by calls that block.
        std::array<char const*, 11> const names{"host",       "hostaddr",        "port",    "user",
                                                "password",   "dbname",          "sslmode", "sslrootcert",
                                                "gssencmode", "client_encoding", nullptr};
        std::array<char const*, 11> const values{host.c_str(),
                                                 hostaddr.c_str(),
                                                 port.c_str(),
                                                 url_.user.c_str(),
                                                 url_.password ? url_.password->c_str() : nullptr,
                                                 url_.database.c_str(),
                                                 url_.sslmode.c_str(),
                                                 url_.sslrootcert.c_str(),
                                                 "disable",
                                                 "UTF8",
                                                 nullptr};
        connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
        if (!connection_)
            throw std::bad_alloc();
        PQsetNoticeProcessor(connection_.get(), [](void*, char const*) {}, nullptr); // not on standard error
    }

    asio::awaitable<void> open() {
        operation opening(*this);
        connection_.reset();
        auto const addresses = co_await resolve();
        start(addresses);
        auto next =
            PQstatus(connection_.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
        while (next != PGRES_POLLING_OK) {
            if (next == PGRES_POLLING_FAILED)
                throw lost("08001");
            co_await until_ready(next == PGRES_POLLING_READING ? wait_type::wait_read
                                                               : wait_type::wait_write);
            next = PQconnectPoll(connection_.get());
        }
        if (PQsetnonblocking(connection_.get(), 1) != 0)
            throw lost("08001");
        opening.complete();
    }

    asio::awaitable<postgres_result> run(std::string sql, std::vector<std::optional<std::string>> params) {
        operation running(*this);
        if (!is_open())
            throw postgres_error("08003", where_ + ": the connection is closed");
        std::vector<char const*> values;
        for (auto const& param : params)
            values.push_back(param ? param->c_str() : nullptr);
        if (!PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                               values.data(), nullptr, nullptr, 0))
            throw lost();
        co_await flush();
        postgres_result out;
        std::optional<postgres_error> refused;
        // One statement has one result, but the server may say more, as why it closes the connection.
        while (auto const result = co_await next_result()) {
            auto const status = PQresultStatus(result.get());
            if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
                out = detail::read_result(result.get());
            else if (status != PGRES_FATAL_ERROR)
                throw postgres_error("0A000",
                                     where_ + ": only statements that end by themselves, so no COPY");
            else if (!refused) // what follows is only that the connection is lost
                refused = said(result.get());
        }
        if (PQstatus(connection_.get()) == CONNECTION_OK)
            running.complete(); // an error of the statement's own leaves the connection as it was
        else if (!refused)
            refused = lost();
        if (refused)
            throw *refused;
        co_return out;
    }

    asio::awaitable<void> flush() {
        while (int const left = PQflush(connection_.get())) {
            if (left < 0)
                throw lost();
            // Both ways: a server that waits for us to read may not read on.
            borrowed_socket socket(co_await asio::this_coro::executor, PQsocket(connection_.get()));
            auto either = asio::experimental::make_parallel_group(
                socket->async_wait(wait_type::wait_read, asio::deferred),
                socket->async_wait(wait_type::wait_write, asio::deferred));
            co_await either.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
            if (!PQconsumeInput(connection_.get()))
                throw lost();
        }
    }

    asio::awaitable<result_ptr> next_result() {
        while (PQisBusy(connection_.get())) {
            co_await until_ready(wait_type::wait_read);
            if (!PQconsumeInput(connection_.get()))
                break; // the connection is lost, and that is the result
        }
        co_return result_ptr(PQgetResult(connection_.get()));
    }

    asio::awaitable<void> until_ready(wait_type what) {
        borrowed_socket socket(co_await asio::this_coro::executor, PQsocket(connection_.get()));
        co_await socket->async_wait(what, asio::use_awaitable);
    }

    postgres_error said(PGresult const* result) const {
        auto const* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        auto const* const words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        return {state ? state : "08006",
                where_ + ": " + one_line(words ? words : PQresultErrorMessage(result))};
    }

    postgres_url url_;
    std::string where_; // for messages
    std::unique_ptr<PGconn, finish> connection_;
    bool busy_ = false;
};

} // namespace adapters
