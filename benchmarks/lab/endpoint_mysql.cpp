// SPDX-License-Identifier: BSL-1.0
#include "endpoint_mysql.hpp"

#include <fanout/limit/pool.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../examples/adapters/describe.hpp"
#include "../../examples/adapters/mysql.hpp"
#include "../../examples/adapters/timeout.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/mysql/field_view.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lab {

namespace {

namespace asio = boost::asio;
namespace mysql = boost::mysql;
using adapters::mysql_session;
using boost::system::error_code;
using boost::system::system_error;
using session_pool = fanout::pool<mysql_session>;
using namespace std::chrono_literals;

constexpr std::uint64_t most_connections = 256; // unless more are asked for
constexpr std::uint64_t left_to_others = 4;     // an administrator, what drops the table, who logs out late
constexpr std::size_t opened_at_once = 16;

bool is_refusal(error_code const& error) {
    using errc = mysql::common_server_errc;
    return error == errc::er_con_count_error || error == errc::er_too_many_user_connections ||
           error == errc::er_user_limit_reached || error == asio::error::connection_refused;
}

// A number, or text that is one, as SHOW STATUS and SUM() tell it.
std::uint64_t whole_number(mysql::field_view field) {
    if (field.is_uint64())
        return field.get_uint64();
    if (field.is_int64())
        return static_cast<std::uint64_t>((std::max)(field.get_int64(), std::int64_t{0}));
    std::uint64_t out = 0;
    if (!field.is_string())
        throw std::runtime_error("MySQL: a number was expected, and it is not one");
    auto const text = field.get_string();
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

class mysql_server final : public server {
public:
    explicit mysql_server(mysql_options options)
        : options_(std::move(options)),
          update_("UPDATE " + table_ + " SET n = n + 1 + SLEEP(?) WHERE id = ?"),
          sleep_(std::chrono::duration<double>(options_.sleep).count()) {}

    std::string kind() const override { return "mysql"; }
    std::string where() const override {
        return "MySQL at " + options_.url.host + ':' + std::to_string(options_.url.port);
    }
    std::string table() const override { return table_; }
    std::size_t connections() const override { return sessions_ ? sessions_->size() : 0; }

    asio::awaitable<void> prepare() override {
        mysql_session session(options_.url);
        co_await session.connect();
        auto making = make_table(session);
        co_await adapters::with_timeout(std::move(making), 60s, where());
        auto places = options_.connections;
        if (places == 0)
            places = co_await left(session);
        auto const connect = [url = options_.url] { return adapters::open_mysql(url); };
        sessions_ = std::make_unique<session_pool>(places, connect,
                                                   [](mysql_session& used) { return used.usable(); });
        co_await fill();
        co_await session.close();
    }

    asio::awaitable<void> remove() override {
        if (!may_be_there_)
            co_return;
        sessions_.reset(); // what waits for a lock on the table would keep it from being dropped
        mysql_session session(options_.url);
        co_await session.connect();
        auto dropping = session.execute("DROP TABLE IF EXISTS " + table_);
        co_await adapters::with_timeout(std::move(dropping), 10s, where());
    }

    asio::awaitable<void> ping() override {
        mysql_session session(options_.url);
        co_await session.connect();
    }

    asio::awaitable<std::optional<std::uint64_t>> updates() override {
        auto session = co_await sessions_->acquire();
        auto const answer = co_await session->execute("SELECT SUM(n) FROM " + table_);
        session.give_back();
        co_return whole_number(answer.rows().at(0).at(0));
    }

    asio::awaitable<answer> call(std::size_t input, std::uint32_t) override {
        session_pool::lease session;
        try {
            session = co_await sessions_->acquire();
            auto const row = static_cast<std::uint64_t>(input % options_.rows);
            auto const said = co_await session->execute(update_, sleep_, row);
            session.give_back();
            if (said.affected_rows() != 1)
                throw std::runtime_error(where() + ": an update found no row: somebody else changes " +
                                         table_);
        } catch (system_error const& e) {
            if (e.code() == asio::error::operation_aborted)
                throw;
            if (session && session->usable()) // the server's own answer: the connection is as good as before
                session.give_back();
            bool const refused = is_refusal(e.code()); // whose words Boost 1.83 may cut at their beginning
            co_return failed(e.code(),
                             refused ? where() + " gives no connection: " + e.code().message()
                                     : adapters::describe(e),
                             refused);
        }
        co_return done();
    }

    bool is_overload(error_code const& error) const noexcept override { return is_refusal(error); }

private:
    asio::awaitable<void> make_table(mysql_session& session) {
        may_be_there_ = true;
        co_await session.execute(
            "CREATE TABLE " + table_ +
            " (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB");
        co_await session.execute("INSERT INTO " + table_ + " VALUES (0, 0)");
        auto const copy = "INSERT INTO " + table_ + " SELECT id + ?, 0 FROM " + table_ + " WHERE id < ?";
        for (std::uint64_t n = 1; n < options_.rows; n *= 2)
            co_await session.execute(copy, n, static_cast<std::uint64_t>(options_.rows) - n);
    }

    // How many connections the server has left for us.
    asio::awaitable<std::size_t> left(mysql_session& session) {
        auto const limits = co_await session.execute("SELECT @@max_connections, @@max_user_connections");
        auto const used = co_await session.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'");
        auto const all = whole_number(limits.rows().at(0).at(0));
        auto const of_user = whole_number(limits.rows().at(0).at(1)); // 0: as many as all
        auto const taken = used.rows().empty() ? 1 : whole_number(used.rows().at(0).at(1));
        auto out = all > taken ? all - taken : 0;
        if (of_user != 0)
            out = (std::min)(out, of_user);
        out = out > left_to_others ? out - left_to_others : 1;
        co_return static_cast<std::size_t>((std::min)(out, most_connections));
    }

    // Opens the connections, and has each prepare the update, before any clock starts. What the server refuses is
    // asked for again by the calls that need it, and counted there.
    asio::awaitable<void> fill() {
        std::vector<session_pool::lease> all;
        auto const open = [&](std::size_t) -> asio::awaitable<void> {
            auto one = co_await sessions_->acquire();
            co_await one->execute(update_, 0.0,
                                  static_cast<std::uint64_t>(options_.rows)); // there is no such row
            all.push_back(std::move(one));
        };
        auto opening = fanout::when_all_settled(std::views::iota(std::size_t{0}, sessions_->size()), open,
                                                fanout::limit(opened_at_once));
        auto const opened = co_await std::move(opening);
        for (auto& one : all)
            one.give_back();
        for (auto const& outcome : opened) {
            if (outcome.has_value() || (outcome.has_error() && is_refusal(outcome.error()) && !all.empty()))
                continue;
            if (outcome.has_exception())
                std::rethrow_exception(outcome.exception());
            throw system_error(outcome.error(), where());
        }
    }

    mysql_options options_;
    std::string table_ = random_table_name();
    std::string update_;
    double sleep_;              // seconds
    bool may_be_there_ = false; // the table
    std::unique_ptr<session_pool> sessions_;
};

} // namespace

std::unique_ptr<server> make_mysql_server(mysql_options options) {
    return std::make_unique<mysql_server>(std::move(options));
}

} // namespace lab
