// SPDX-License-Identifier: BSL-1.0
#pragma once
// SQLite as a few RAII classes over its C interface: a connection, a prepared statement, an error_code category.
// Calls block, so a program of coroutines makes them on a thread pool. A connection serves one thread at a time:
// whoever shares it brings the mutex. (SQLite has one writer at a time anyway, and with one connection the writers
// queue for a mutex in microseconds, not for a file lock that is polled.)

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <sqlite3.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace adapters {

namespace detail {

class sqlite_category_type final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "sqlite"; }
    std::string message(int value) const override { return sqlite3_errstr(value); }
};

} // namespace detail

// Values are SQLite's primary result codes: SQLITE_BUSY, SQLITE_FULL, SQLITE_NOTADB …
inline boost::system::error_category const& sqlite_category() {
    static detail::sqlite_category_type const category;
    return category;
}

// What the connection says of its last error, unless it is no more than the code's own words.
inline boost::system::system_error sqlite_error(int result, sqlite3* db) {
    boost::system::error_code const code(result & 0xff, sqlite_category());
    std::string const said = db ? sqlite3_errmsg(db) : "SQLite";
    return {code, said == code.message() ? "SQLite" : said};
}

class sqlite_statement {
public:
    sqlite_statement(sqlite3* db, std::string_view sql) : db_(db) {
        check(sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr));
    }
    sqlite_statement(sqlite_statement&& other) noexcept
        : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}
    sqlite_statement& operator=(sqlite_statement&&) = delete;
    ~sqlite_statement() { sqlite3_finalize(statement_); }

    // Binds the parameters ?1, ?2, … and makes the statement ready to run anew. Text is copied.
    template <class... Params>
    sqlite_statement& bind(Params const&... params) {
        sqlite3_reset(statement_); // what it returns is the last run's error, which was thrown then
        int index = 0;
        (bind_one(++index, params), ...);
        return *this;
    }

    // To the next row; false when there is none. An error resets the statement, so that it holds no lock.
    bool step() {
        int const result = sqlite3_step(statement_);
        if (result == SQLITE_ROW)
            return true;
        sqlite3_reset(statement_);
        if (result != SQLITE_DONE)
            check(result);
        return false;
    }

    std::string text(int column) const {
        auto const* data = sqlite3_column_text(statement_, column);
        auto const size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
        return data ? std::string(reinterpret_cast<char const*>(data), size) : std::string();
    }
    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
    std::optional<std::int64_t> nullable_integer(int column) const {
        if (sqlite3_column_type(statement_, column) == SQLITE_NULL)
            return std::nullopt;
        return integer(column);
    }

private:
    void bind_one(int index, std::string_view value) {
        check(sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()),
                                SQLITE_TRANSIENT));
    }
    void bind_one(int index, std::integral auto value) {
        check(sqlite3_bind_int64(statement_, index, static_cast<std::int64_t>(value)));
    }
    template <class T>
    void bind_one(int index, std::optional<T> const& value) {
        if (value)
            bind_one(index, *value);
        else
            check(sqlite3_bind_null(statement_, index));
    }

    void check(int result) const {
        if (result != SQLITE_OK)
            throw sqlite_error(result, db_);
    }

    sqlite3* db_;
    sqlite3_stmt* statement_ = nullptr;
};

class sqlite_connection {
public:
    // Opens the file, which is made if it is not there, and waits up to `patience` for another process's lock in each statement.
    sqlite_connection(std::string const& path, std::chrono::milliseconds patience) : patience_(patience) {
        int const flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        int const result = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr);
        if (result != SQLITE_OK) {
            auto const error = sqlite_error(result, db_);
            sqlite3_close(db_);
            throw error;
        }
        sqlite3_busy_timeout(db_, static_cast<int>(patience.count()));
    }
    sqlite_connection(sqlite_connection const&) = delete;
    sqlite_connection& operator=(sqlite_connection const&) = delete;
    ~sqlite_connection() { sqlite3_close_v2(db_); }

    sqlite_statement prepare(std::string_view sql) { return sqlite_statement(db_, sql); }
    void run(std::string_view sql) {
        auto statement = prepare(sql);
        while (statement.step()) {
        }
    }
    // Write-ahead log without a sync per commit: a commit is in the file's pages in the kernel, so that it survives a
    // kill -9 of this process, and takes microseconds. (A power cut may cost the last commits, never the file.)
    // The mode is changed by a reader that becomes a writer. There SQLite does not wait for who writes already (two such
    // would wait for each other), but fails with SQLITE_BUSY at once: tried anew until the patience is over.
    void write_ahead() {
        auto const until = std::chrono::steady_clock::now() + patience_;
        for (;;) {
            try {
                run("PRAGMA journal_mode = WAL");
                break;
            } catch (boost::system::system_error const& e) {
                if (e.code().value() != SQLITE_BUSY || std::chrono::steady_clock::now() >= until)
                    throw;
            }
            sqlite3_sleep(1); // ms
        }
        run("PRAGMA synchronous = NORMAL");
    }
    // Rows that the last statement inserted, changed or deleted.
    int changes() const { return sqlite3_changes(db_); }
    sqlite3* native_handle() const { return db_; }

private:
    sqlite3* db_ = nullptr;
    std::chrono::milliseconds patience_;
};

// BEGIN IMMEDIATE … COMMIT; what is not committed is rolled back.
class sqlite_transaction {
public:
    explicit sqlite_transaction(sqlite_connection& db) : db_(&db) { db.run("BEGIN IMMEDIATE"); }
    sqlite_transaction(sqlite_transaction const&) = delete;
    sqlite_transaction& operator=(sqlite_transaction const&) = delete;
    ~sqlite_transaction() {
        if (db_)
            sqlite3_exec(db_->native_handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    void commit() {
        db_->run("COMMIT");
        db_ = nullptr;
    }

private:
    sqlite_connection* db_;
};

} // namespace adapters
