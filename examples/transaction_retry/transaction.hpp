// SPDX-License-Identifier: BSL-1.0
#pragma once
// One transaction on one pooled session: committed as a whole, or rolled back as a whole, so that it can be run again.

#include <fanout/outcome.hpp>

#include "../adapters/describe.hpp"
#include "../adapters/mysql.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/mysql/common_server_errc.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

namespace bank {

namespace asio = boost::asio;
namespace mysql = boost::mysql;
using adapters::mysql_session;

// The errors that say "not now": InnoDB took the transaction's locks away (1213), or did not give it one (1205).
inline bool lost_a_lock(boost::system::error_code const& error) {
    return error == mysql::common_server_errc::er_lock_deadlock ||
           error == mysql::common_server_errc::er_lock_wait_timeout;
}

// For retry_if. Nothing else is run again: not a lost connection, and least of all one that was lost at COMMIT.
inline bool is_worth_a_retry(fanout::settled<void> const& outcome) {
    return outcome.has_error() && lost_a_lock(outcome.error());
}

// COMMIT was sent, and its answer never came. It is no system_error, so that nobody takes it for one of a statement.
class effect_unknown : public std::runtime_error {
public:
    explicit effect_unknown(std::string const& why)
        : std::runtime_error("whether COMMIT took effect is not known: " + why) {}
};

// What the pool holds.
struct pooled_session {
    std::unique_ptr<mysql_session> session;
    bool clean = true; // no transaction is open on it
};

// The pool's question about a session that comes back; one that is not clean is dropped, and the server rolls back.
inline bool is_clean(pooled_session const& pooled) { return pooled.clean; }

// [transact]
// Runs body(session) between BEGIN and COMMIT. Whatever goes wrong, it rolls back and throws on what went wrong.
template <class Body>
asio::awaitable<void> transact(pooled_session& pooled, Body body) {
    auto& session = *pooled.session;
    auto committing = false;
    std::exception_ptr failure;
    pooled.clean = false; // until the server has answered to COMMIT or ROLLBACK
    try {
        co_await session.execute("BEGIN");
        co_await body(session);
        committing = true;
        co_await session.execute("COMMIT");
    } catch (boost::system::system_error const& e) {
        failure = committing && !lost_a_lock(e.code())
                      ? std::make_exception_ptr(effect_unknown(adapters::describe(e)))
                      : std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        pooled.clean = true;
        co_return;
    }
    // Here and not above, since a catch block cannot co_await. After 1213 the server has done it already. After 1205 it
    // undid the statement alone: what was written before is still there, with its locks, and the next BEGIN would
    // commit it.
    try {
        co_await session.execute("ROLLBACK");
        pooled.clean = true;
    } catch (boost::system::system_error const&) {
        // Not clean, so the pool drops the session, and the server rolls back by itself when it sees that.
    }
    std::rethrow_exception(failure);
}
// [/transact]

} // namespace bank
