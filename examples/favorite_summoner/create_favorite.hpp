// SPDX-License-Identifier: BSL-1.0
#pragma once
// A user makes a summoner one of his favourites: as five awaits in a row, and as look-ups side by side with one
// transaction behind them.

#include <fanout/limit/pool.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/when_all.hpp>

#include "../adapters/mysql.hpp"
#include "../adapters/redis.hpp"
#include "../support/notebook.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/mysql/results.hpp>
#include <boost/system/system_error.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace favorites {

namespace asio = boost::asio;
using adapters::mysql_session;
using adapters::redis_session;

// As the game's own API tells of a player.
struct summoner {
    std::string id;
    std::string name;
    std::int64_t level;
};

struct favorite {
    std::int64_t id;
    bool deleted; // softly: the row is there, with the time when it was deleted
};

constexpr std::int64_t most_favorites = 3;

class limit_reached : public std::runtime_error {
public:
    limit_reached() : std::runtime_error("the user has as many favourites as are allowed") {}
};

// Look-ups.

inline asio::awaitable<std::int64_t> count_favorites(mysql_session& db, std::int64_t user) {
    auto const found = co_await db.execute(
        "SELECT COUNT(*) FROM fanout_favorite WHERE user_id = ? AND deleted_at IS NULL", user);
    co_return found.rows().at(0).at(0).as_int64();
}

inline asio::awaitable<bool> has_record(mysql_session& db, std::string id) {
    auto const found = co_await db.execute("SELECT 1 FROM fanout_summoner WHERE id = ?", std::move(id));
    co_return !found.rows().empty();
}

// Finds one that was softly deleted as well.
inline asio::awaitable<std::optional<favorite>> find_favorite(mysql_session& db, std::int64_t user,
                                                              std::string summoner_id) {
    auto const found = co_await db.execute(
        "SELECT id, deleted_at IS NOT NULL FROM fanout_favorite WHERE user_id = ? AND summoner_id = ?", user,
        std::move(summoner_id));
    if (found.rows().empty())
        co_return std::nullopt;
    auto const row = found.rows().at(0);
    co_return favorite{row.at(0).as_int64(), row.at(1).as_int64() != 0};
}

// Writes.

inline asio::awaitable<void> save_record(mysql_session& db, summoner who) {
    co_await db.execute("INSERT INTO fanout_summoner (id, name, level) VALUES (?, ?, ?)", std::move(who.id),
                        std::move(who.name), who.level);
}

inline asio::awaitable<void> save_favorite(mysql_session& db, std::int64_t user, std::string summoner_id) {
    co_await db.execute("INSERT INTO fanout_favorite (user_id, summoner_id) VALUES (?, ?)", user,
                        std::move(summoner_id));
}

inline asio::awaitable<void> restore_favorite(mysql_session& db, std::int64_t id) {
    co_await db.execute("UPDATE fanout_favorite SET deleted_at = NULL WHERE id = ?", id);
}

inline std::string cache_key(std::string const& summoner_id) { return "fanout:summoner:" + summoner_id; }

inline asio::awaitable<void> cache_record(redis_session& cache, summoner who) {
    co_await cache.command("HSET", cache_key(who.id), "name", who.name, "level", who.level);
}

// [transact]
// Runs `work`, which has not begun, between BEGIN and COMMIT; where it fails, between BEGIN and ROLLBACK.
inline asio::awaitable<void> transact(mysql_session& db, asio::awaitable<void> work) {
    std::exception_ptr failure;
    try {
        co_await db.execute("BEGIN");
        co_await std::move(work);
        co_await db.execute("COMMIT");
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure)
        co_return;
    // Cancelled between two statements, the session is as good as ever, and would go back to the pool in the middle of
    // its transaction: so ROLLBACK is to run after a cancellation, too. Another one may still end it.
    co_await asio::this_coro::reset_cancellation_state();
    try {
        if (db.usable()) // without a connection the server has rolled back by itself, or will
            co_await db.execute("ROLLBACK");
    } catch (boost::system::system_error const&) {
        // It is closed now. The first failure is the one to tell.
    }
    std::rethrow_exception(failure);
}
// [/transact]

// Before.

// How a single save is done: as an object-relational mapper does it, or as plain SQL does.
enum class saving { in_a_transaction, autocommit };

// [before]
class creator_before {
public:
    creator_before(mysql_session& db, redis_session& cache, saving how, fanout::recording& seen)
        : db_(db), cache_(cache), how_(how), seen_(seen) {}

    asio::awaitable<void> create(std::int64_t user, summoner const& who) {
        support::watched_loop step(seen_, 5); // awaits what it is given, and records it
        co_await step(check_limit(user));
        co_await step(cache_record(cache_, who));
        co_await step(save_record_if_missing(who));
        co_await step(save_favorite_if_missing(user, who.id));
        co_await step(restore_favorite_if_deleted(user, who.id));
    }

private:
    asio::awaitable<void> check_limit(std::int64_t user) {
        auto const count = co_await count_favorites(db_, user);
        if (count >= most_favorites)
            throw limit_reached();
    }

    asio::awaitable<void> save_record_if_missing(summoner const& who) {
        auto const found = co_await has_record(db_, who.id);
        if (!found)
            co_await save(save_record(db_, who));
    }

    asio::awaitable<void> save_favorite_if_missing(std::int64_t user, std::string const& summoner_id) {
        auto const found = co_await find_favorite(db_, user, summoner_id);
        if (!found)
            co_await save(save_favorite(db_, user, summoner_id));
    }

    asio::awaitable<void> restore_favorite_if_deleted(std::int64_t user, std::string const& summoner_id) {
        auto const found = co_await find_favorite(db_, user, summoner_id);
        if (found && found->deleted)
            co_await save(restore_favorite(db_, found->id));
    }
    // [/before]

    asio::awaitable<void> save(asio::awaitable<void> one) {
        return how_ == saving::in_a_transaction ? transact(db_, std::move(one)) : std::move(one);
    }

    mysql_session& db_;
    redis_session& cache_;
    saving how_;
    fanout::recording& seen_;
};

// After.

using connections = fanout::pool<mysql_session>;

class giving_back {
public:
    explicit giving_back(connections::lease& lent) : lent_(lent) {}
    giving_back(giving_back const&) = delete;
    giving_back& operator=(giving_back const&) = delete;
    ~giving_back() { lent_.give_back(); }

private:
    connections::lease& lent_;
};

// [on-connection]
// Runs `query` on a connection of the pool. That goes back in any case; the pool drops it if it is not usable any more.

template <class Query>
auto on_connection(connections& pool, Query query) -> std::invoke_result_t<Query&, mysql_session&> {
    auto connection = co_await pool.acquire();
    giving_back const at_the_end(connection);
    co_return co_await query(*connection);
}
// [/on-connection]

// [after]
// Whether the cache could be written as well; the favourite is there in any case, or this throws.
inline asio::awaitable<bool> create_favorite(connections& pool, redis_session& cache, std::int64_t user,
                                             summoner const& who, fanout::recording& seen) {
    auto const found = co_await fanout::when_all(
        on_connection(pool, [&](mysql_session& db) { return count_favorites(db, user); }),
        on_connection(pool, [&](mysql_session& db) { return has_record(db, who.id); }),
        on_connection(pool, [&](mysql_session& db) { return find_favorite(db, user, who.id); }), seen);
    auto const& [count, recorded, existing] = found;
    if (count >= most_favorites)
        throw limit_reached();

    auto const write = [&](mysql_session& db) -> asio::awaitable<void> {
        if (!recorded)
            co_await save_record(db, who);
        if (!existing)
            co_await save_favorite(db, user, who.id);
        else if (existing->deleted)
            co_await restore_favorite(db, existing->id);
    };
    auto const write_as_one = [&](mysql_session& db) { return transact(db, write(db)); };
    auto const writes = !recorded || !existing || existing->deleted;
    support::watched_loop step(seen, writes ? 2 : 1);
    if (writes)
        co_await step(on_connection(pool, write_as_one));

    try {
        co_await step(cache_record(cache, who)); // behind the commit: a rollback would not take it back
    } catch (std::exception const&) {
        co_return false;
    }
    co_return true;
}
// [/after]

} // namespace favorites
