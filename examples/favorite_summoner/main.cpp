// SPDX-License-Identifier: BSL-1.0
// favorite_summoner: five awaits in a row against look-ups side by side and one transaction, on a real MariaDB and a
// real Redis. See --help.
#include <fanout/when_all_settled.hpp>

#include "../adapters/describe.hpp"
#include "../adapters/mysql.hpp"
#include "../adapters/redis.hpp"
#include "../support/program.hpp"
#include "../support/report.hpp"
#include "create_favorite.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/mysql/common_server_errc.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iomanip>
#include <map>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace favorites {
namespace {

constexpr char const* about =
    "A user makes a summoner one of his favourites: a limit is checked, the summoner's record is saved in\n"
    "Redis and in the database, and the favourite is saved, or restored where it was softly deleted. Done\n"
    "before, as five awaits in a row, each save a transaction of its own; and after, as look-ups side by "
    "side\n"
    "with all writes in one transaction behind them. Shows what each asks of the servers, by their own "
    "count,\n"
    "and what is left behind where a step fails.\n"
    "It makes the tables fanout_summoner and fanout_favorite (one with a trigger, for a time) in the "
    "database\n"
    "of the URL, and one key fanout:summoner:... in Redis, and removes them in the end.";

constexpr char const* footer =
    "Environment: FANOUT_MYSQL_URL and FANOUT_REDIS_URL are the URLs that are not given.\n"
    "The Redis must serve nobody else meanwhile, since its commands are counted.\n"
    "\n"
    "Exit status: 0 all came out as it should; 1 it did not, or an error; 2 wrong arguments.";

constexpr std::int64_t user = 7;
summoner const hide{"puuid-1", "Hide on bush", 726};

enum class way { before, before_autocommit, after };

std::string to_text(way w) {
    switch (w) {
    case way::before: return "before";
    case way::before_autocommit: return "before, autocommit";
    case way::after: break;
    }
    return "after";
}

// What there is of the user's favourite.
struct contents {
    bool cached = false;
    bool recorded = false;
    int live = 0, deleted = 0; // favourites of this summoner

    bool operator==(contents const&) const = default;
};

std::string to_text(contents const& c) {
    std::string out;
    auto const add = [&](bool there, char const* what) {
        if (there)
            out += (out.empty() ? "" : ", ") + std::string(what);
    };
    add(c.cached, "the cache entry");
    add(c.recorded, "the record");
    add(c.live > 0, "the favourite");
    add(c.deleted > 0, "the deleted favourite");
    return out.empty() ? "nothing" : out;
}

// What the servers counted during one call.
struct counts {
    std::map<std::string, std::int64_t> statements; // of the database, by kind: "Questions" is all of them
    std::int64_t busiest = 0;                       // the most that one connection had to answer
    std::int64_t cache_commands = 0;
    std::chrono::nanoseconds took{};

    std::int64_t all() const { return statements.at("Questions"); }
    // Each connection waits for one answer at a time, and the cache is asked when nothing else is under way.
    std::int64_t in_a_row() const { return busiest + cache_commands; }
};

// Both servers. What is asked by `db` and `watcher` is not counted.
struct stage {
    mysql_session& db;
    redis_session& watcher;
    connections& pool;
    redis_session& cache;
    support::notebook& notes;

    asio::awaitable<void> clear() {
        co_await db.execute("DELETE FROM fanout_favorite");
        co_await db.execute("DELETE FROM fanout_summoner");
        co_await watcher.command("DEL", cache_key(hide.id));
    }

    asio::awaitable<contents> look() {
        contents out;
        auto const type = co_await watcher.command("TYPE", cache_key(hide.id));
        out.cached = type.text() == "hash";
        out.recorded = co_await has_record(db, hide.id);
        auto const found = co_await db.execute(
            "SELECT COUNT(*), COUNT(deleted_at) FROM fanout_favorite WHERE summoner_id = ?", hide.id);
        auto const deleted = found.rows().at(0).at(1).as_int64();
        out.live = static_cast<int>(found.rows().at(0).at(0).as_int64() - deleted);
        out.deleted = static_cast<int>(deleted);
        co_return out;
    }
};

// How a call ended.
enum class ending { created, created_not_cached, at_the_limit, refused };

// The two ways in which a step is made to fail here; any other failure is one of the program.
bool is_injected(boost::system::system_error const& e) {
    return e.code() == boost::mysql::common_server_errc::er_signal_exception;
}
bool is_injected(adapters::redis_error const& e) {
    return std::string_view(e.what()).find("WRONGTYPE") != std::string_view::npos;
}

asio::awaitable<ending> create(stage& s, way w, fanout::recording& seen) {
    try {
        if (w == way::after) {
            auto const cached = co_await create_favorite(s.pool, s.cache, user, hide, seen);
            co_return cached ? ending::created : ending::created_not_cached;
        }
        auto const how = w == way::before ? saving::in_a_transaction : saving::autocommit;
        auto const in_a_row = [&](mysql_session& db) -> asio::awaitable<void> {
            creator_before creator(db, s.cache, how, seen);
            co_await creator.create(user, hide);
        };
        co_await on_connection(s.pool, in_a_row);
        co_return ending::created;
    } catch (limit_reached const&) {
        co_return ending::at_the_limit;
    } catch (boost::system::system_error const& e) {
        if (!is_injected(e))
            throw;
    } catch (adapters::redis_error const& e) {
        if (!is_injected(e))
            throw;
    }
    co_return ending::refused;
}

// What each of the pool's connections was asked so far, as the server has it.
using asked = std::map<mysql_session const*, std::map<std::string, std::int64_t>>;

asio::awaitable<asked> ask_each(connections& pool) {
    asked out;
    std::vector<connections::lease> all; // at once, so that each is another
    while (all.size() < pool.size())
        all.push_back(co_await pool.acquire());
    for (auto& one : all) {
        auto const status = co_await one->execute(
            "SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_prepare', 'Com_select', "
            "'Com_insert', 'Com_update', 'Com_begin', 'Com_commit', 'Com_rollback')");
        for (auto const row : status.rows())
            out[&*one][std::string(row.at(0).as_string())] = std::stoll(std::string(row.at(1).as_string()));
    }
    for (auto& one : all)
        one.give_back();
    co_return out;
}

// The commands that Redis has run so far, but for those that look.
asio::awaitable<std::int64_t> count_commands(redis_session& watcher) {
    auto const info = co_await watcher.command("INFO", "commandstats");
    std::istringstream lines(info.text());
    std::int64_t out = 0;
    for (std::string line; std::getline(lines, line);) // cmdstat_hset:calls=3,usec=…
        if (auto const at = line.find(":calls=");
            at != std::string::npos && !line.starts_with("cmdstat_info"))
            out += std::stoll(line.substr(at + 7));
    co_return out;
}

// [count]
asio::awaitable<counts> count(stage& s, way w, ending expected, fanout::recording& seen) {
    auto const before = co_await ask_each(s.pool);
    auto const commands = co_await count_commands(s.watcher);
    support::stopwatch const watch;
    auto const ended = co_await create(s, w, seen);
    counts out;
    out.took = watch.elapsed();
    out.cache_commands = co_await count_commands(s.watcher) - commands;
    auto const after = co_await ask_each(s.pool);
    for (auto const& [connection, status] : after) {
        for (auto const& [kind, number] : status)
            out.statements[kind] += number - before.at(connection).at(kind);
        --out.statements["Questions"]; // ours
        out.busiest =
            std::max(out.busiest, status.at("Questions") - before.at(connection).at("Questions") - 1);
    }
    if (ended != expected)
        throw std::logic_error("a call did not end as it should");
    co_return out;
}
// [/count]

// Each connection prepares each statement at its first use, which is a round trip more: here, once and for all.
asio::awaitable<void> prepare_all(stage& s) {
    std::vector<connections::lease> all;
    while (all.size() < s.pool.size())
        all.push_back(co_await s.pool.acquire());
    for (auto& one : all) {
        fanout::recording not_shown;
        creator_before creator(*one, s.cache, saving::autocommit, not_shown);
        co_await creator.create(user, hide);
        co_await s.db.execute("UPDATE fanout_favorite SET deleted_at = NOW(6)");
        co_await creator.create(user, hide);
        co_await s.clear();
    }
    for (auto& one : all)
        one.give_back();
}

struct scenario {
    std::string name;
    std::vector<std::string> setup; // of the database
    ending ends;
    contents leaves;
    std::map<way, std::int64_t> statements, in_a_row; // what it must come to
};

std::string const record_there = "INSERT INTO fanout_summoner VALUES ('puuid-1', 'Hide on bush', 726)";
std::string const softly_deleted =
    "INSERT INTO fanout_favorite (user_id, summoner_id, deleted_at) VALUES (7, 'puuid-1', NOW(6))";
std::string const three_others = "INSERT INTO fanout_favorite (user_id, summoner_id) VALUES (7, 'puuid-2'), "
                                 "(7, 'puuid-3'), (7, 'puuid-4')";

std::vector<scenario> const scenarios{
    {"new favourite",
     {},
     ending::created,
     {.cached = true, .recorded = true, .live = 1},
     {{way::before, 10}, {way::before_autocommit, 6}, {way::after, 7}},
     {{way::before, 11}, {way::before_autocommit, 7}, {way::after, 6}}},
    {"deleted favourite restored",
     {record_there, softly_deleted},
     ending::created,
     {.cached = true, .recorded = true, .live = 1},
     {{way::before, 7}, {way::before_autocommit, 5}, {way::after, 6}},
     {{way::before, 8}, {way::before_autocommit, 6}, {way::after, 5}}},
    {"limit reached",
     {three_others},
     ending::at_the_limit,
     {},
     {{way::before, 1}, {way::before_autocommit, 1}, {way::after, 3}},
     {{way::before, 1}, {way::before_autocommit, 1}, {way::after, 1}}},
};

std::string article_says(scenario const& of, way w) {
    if (of.ends == ending::at_the_limit || w == way::before_autocommit)
        return "-";
    return w == way::after ? "look-ups side by side, then one transaction"
                           : "five awaits in a row, one look-up twice";
}

std::string milliseconds(std::chrono::nanoseconds time) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(1) << std::chrono::duration<double, std::milli>(time).count()
        << " ms";
    return out.str();
}

std::string count_of(std::int64_t n, std::string const& what) {
    return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

void tell(support::notebook& notes, scenario const& of, way w, counts const& c) {
    auto& out = notes.say();
    out << "  " << of.name << ", " << to_text(w) << ':';
    for (auto const& [kind, number] : c.statements)
        if (number > 0 && kind != "Questions")
            out << ' ' << kind.substr(4) << ' ' << number;
    out << '\n';
    notes.report("favorite_summoner: " + of.name + ", " + to_text(w), article_says(of, w),
                 count_of(c.in_a_row(), "round trip") + " in a row, " + milliseconds(c.took) + " (" +
                     count_of(c.all(), "statement") + ", " + count_of(c.cache_commands, "Redis command") +
                     ")");
}

// What the steps are called in the pictures.
std::string step_name(way w, std::size_t i) {
    static constexpr std::array before{"limit", "Redis", "record", "favourite", "restore"};
    static constexpr std::array after{"limit", "record", "favourite", "transaction", "Redis"};
    return (w == way::after ? after : before).at(i);
}

asio::awaitable<bool> show_counts(stage& s) {
    auto right = true;
    for (auto const& of : scenarios)
        for (auto const w : {way::before, way::before_autocommit, way::after}) {
            co_await s.clear();
            for (auto const& statement : of.setup)
                co_await s.db.execute(statement);
            auto& seen =
                s.notes.record(of.name + ", " + to_text(w), [w](std::size_t i) { return step_name(w, i); });
            auto const c = co_await count(s, w, of.ends, seen);
            tell(s.notes, of, w, c);
            right &= c.all() == of.statements.at(w) && c.in_a_row() == of.in_a_row.at(w) &&
                     c.statements.at("Com_stmt_prepare") == 0;
            auto const left = co_await s.look();
            right &= left == of.leaves;
        }
    co_return right;
}

// A step that the server refuses, by a trigger of its table, or since the key in Redis holds something else.
struct fault {
    std::string step;
    std::string trigger; // none: Redis
    std::vector<std::string> setup;
    contents was;
    std::map<way, std::pair<ending, contents>> must;
};

std::vector<fault> const faults{
    {"save in Redis",
     "",
     {},
     {},
     {{way::before, {ending::refused, {}}},
      {way::after, {ending::created_not_cached, {.recorded = true, .live = 1}}}}},
    {"save the record",
     "BEFORE INSERT ON fanout_summoner",
     {},
     {},
     {{way::before, {ending::refused, {.cached = true}}}, {way::after, {ending::refused, {}}}}},
    {"save the favourite",
     "BEFORE INSERT ON fanout_favorite",
     {},
     {},
     {{way::before, {ending::refused, {.cached = true, .recorded = true}}},
      {way::after, {ending::refused, {}}}}},
    {"restore the favourite",
     "BEFORE UPDATE ON fanout_favorite",
     {softly_deleted},
     {.deleted = 1},
     {{way::before, {ending::refused, {.cached = true, .recorded = true, .deleted = 1}}},
      {way::after, {ending::refused, {.deleted = 1}}}}},
};

// What is there that was not there before.
contents difference(contents now, contents const& was) {
    now.live -= was.live;
    now.deleted -= was.deleted;
    return now;
}

// [fault]
asio::awaitable<bool> show_fault(stage& s, fault const& f, way w) {
    co_await s.clear();
    for (auto const& statement : f.setup)
        co_await s.db.execute(statement);
    if (f.trigger.empty())
        co_await s.watcher.command("SET", cache_key(hide.id), "a string, where HSET wants a hash");
    else
        co_await s.db.execute("CREATE TRIGGER fanout_fault " + f.trigger +
                              " FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'");
    fanout::recording not_shown;
    auto const ended = co_await create(s, w, not_shown);
    auto const left = co_await s.look();
    if (!f.trigger.empty())
        co_await s.db.execute("DROP TRIGGER fanout_fault");
    // [/fault]
    s.notes.report("favorite_summoner: fault at \"" + f.step + "\", " + to_text(w),
                   f.trigger.empty()  ? "-"
                   : w == way::before ? "a part stays committed"
                                      : "all is rolled back",
                   (ended == ending::refused ? "failed; left behind: " : "succeeded; there is: ") +
                       to_text(difference(left, f.was)));
    co_return std::pair(ended, left) == f.must.at(w);
}

// Cancelled when the first of two writes is done and the second has not begun. What is left open then is not seen from
// outside, but the next BEGIN on that connection, the one that the pool lends first, would commit it.
asio::awaitable<bool> show_cancelled(stage& s) {
    co_await s.clear();
    asio::cancellation_signal stop;
    auto const write = [&](mysql_session& db) -> asio::awaitable<void> {
        co_await save_record(db, hide);
        stop.emit(asio::cancellation_type::terminal);
        co_await save_favorite(db, user, hide.id);
    };
    auto const write_as_one = [&](mysql_session& db) { return transact(db, write(db)); };
    auto const executor = co_await asio::this_coro::executor;
    auto cancelled = false;
    try {
        co_await asio::co_spawn(executor, on_connection(s.pool, write_as_one),
                                asio::bind_cancellation_slot(stop.slot(), asio::use_awaitable));
    } catch (boost::system::system_error const& e) {
        cancelled = e.code() == asio::error::operation_aborted;
    }
    auto const begin = [](mysql_session& db) -> asio::awaitable<void> {
        co_await db.execute("BEGIN");
        co_await db.execute("ROLLBACK");
    };
    co_await on_connection(s.pool, begin);
    auto const left = co_await s.look();
    s.notes.report("favorite_summoner: cancelled behind \"save the record\", after", "-",
                   (cancelled ? "failed; left behind: " : "succeeded; there is: ") + to_text(left));
    co_return cancelled&& left == contents{};
}

asio::awaitable<bool> show_faults(stage& s) {
    auto right = true;
    for (auto const& f : faults)
        for (auto const w : {way::before, way::after}) {
            auto const as_expected = co_await show_fault(s, f, w);
            right &= as_expected;
        }
    co_return right;
}

asio::awaitable<bool> show_all(support::notebook& notes, mysql_session& db, redis_session& watcher,
                               adapters::mysql_url mysql, adapters::redis_url redis) {
    auto const open_one = [mysql] { return adapters::open_mysql(mysql); };
    connections pool(3, open_one, [](mysql_session& session) { return session.usable(); });
    redis_session cache(std::move(redis));
    co_await cache.connect();
    stage s{db, watcher, pool, cache, notes};
    co_await prepare_all(s);
    auto const right = co_await show_counts(s);
    auto const faults_right = co_await show_faults(s);
    auto const cancelled_right = co_await show_cancelled(s);
    co_return right&& faults_right&& cancelled_right;
}

// The tables are there from here on, or this throws and none of ours is.
asio::awaitable<void> make_tables(mysql_session& db) {
    co_await db.execute(
        "CREATE TABLE fanout_summoner (id VARCHAR(78) PRIMARY KEY, name VARCHAR(64) NOT NULL, "
        "level BIGINT NOT NULL) ENGINE=InnoDB");
    std::exception_ptr failure;
    try {
        co_await db.execute(
            "CREATE TABLE fanout_favorite (id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT NOT NULL, "
            "summoner_id VARCHAR(78) NOT NULL, deleted_at DATETIME(6), UNIQUE (user_id, summoner_id)) "
            "ENGINE=InnoDB");
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await db.execute("DROP TABLE fanout_summoner");
        std::rethrow_exception(failure);
    }
}

asio::awaitable<void> drop_tables(mysql_session& db) {
    if (!db.usable())
        co_await db.connect();
    co_await db.execute("DROP TABLE fanout_favorite, fanout_summoner"); // and the trigger
}

asio::awaitable<void> delete_key(redis_session& watcher) {
    if (!watcher.is_open())
        co_await watcher.connect();
    co_await watcher.command("DEL", cache_key(hide.id));
}

// Each is tried, whatever becomes of the other.
asio::awaitable<void> remove_all(mysql_session& db, redis_session& watcher) {
    auto const removed = co_await fanout::when_all_settled(drop_tables(db), delete_key(watcher));
    std::get<0>(removed).value();
    std::get<1>(removed).value();
}

asio::awaitable<bool> run(support::notebook& notes, adapters::mysql_url mysql, adapters::redis_url redis) {
    auto db = co_await adapters::open_mysql(mysql);
    redis_session watcher(redis);
    co_await watcher.connect();
    auto const existing = co_await watcher.command("EXISTS", cache_key(hide.id));
    if (existing.integer() != 0)
        throw std::runtime_error("there is a key " + cache_key(hide.id) + " in this Redis already");
    co_await make_tables(db);
    auto right = false;
    std::exception_ptr failure;
    try {
        right = co_await show_all(notes, db, watcher, std::move(mysql), std::move(redis));
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        co_await remove_all(db, watcher);
    } catch (std::exception const& e) {
        if (!failure)
            throw std::runtime_error("could not remove the tables and the key: " + adapters::describe(e));
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return right;
}

} // namespace
} // namespace favorites

int main(int argc, char** argv) {
    std::string mysql, redis;
    CLI::App app(favorites::about, "favorite_summoner");
    app.footer(favorites::footer);
    app.add_option("--mysql", mysql, "mysql://USER:PASSWORD@HOST:PORT/DATABASE")->type_name("URL");
    app.add_option("--redis", redis, "redis://[USER]:PASSWORD@HOST:PORT/DATABASE")->type_name("URL");
    auto const job = [&](support::notebook& notes) {
        return favorites::run(
            notes, support::url_from(adapters::parse_mysql_url, mysql, "--mysql", "FANOUT_MYSQL_URL"),
            support::url_from(adapters::parse_redis_url, redis, "--redis", "FANOUT_REDIS_URL"));
    };
    return support::run_program(app, argc, argv, job);
}
