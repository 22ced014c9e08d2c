// SPDX-License-Identifier: BSL-1.0
#include "embedded.hpp"

#include "../adapters/dynamodb_error.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <filesystem>
#include <stdexcept>

namespace snapshot {

namespace asio = boost::asio;
using adapters::sqlite_connection;
using boost::system::system_error;

namespace {

constexpr std::chrono::seconds patience(5); // for another process's lock
constexpr int file_mark = 0x66616e31;       // application_id: a file of this program

std::uint64_t splitmix64(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

// The rows are such as occur: a new video without a count, the largest count, ids with quotes and in Korean.
void fill(sqlite_connection& db, std::uint64_t videos) {
    auto insert = db.prepare("INSERT INTO VIDEO (VIDEO_ID, VIEW) VALUES (?1, ?2)");
    for (std::uint64_t i = 0; i < videos; ++i) {
        std::string id = "video-" + std::to_string(1'000'000 + i).substr(i < 9'000'000 ? 1 : 0);
        std::optional<std::int64_t> views(static_cast<std::int64_t>(splitmix64(i) % 1'000'000));
        if (i == 1)
            views = std::nullopt;
        else if (i == 2)
            views = std::numeric_limits<std::int64_t>::max();
        else if (i == 3)
            id = "it's a \"quoted\" video";
        else if (i == 4)
            id = "고양이 영상";
        insert.bind(id, views).step();
    }
}

std::int64_t read_number(sqlite_connection& db, std::string_view sql) {
    auto rows = db.prepare(sql);
    rows.step();
    return rows.integer(0);
}

bool is_ours(sqlite_connection& db) { return read_number(db, "PRAGMA application_id") == file_mark; }

// All of it in one transaction, so that a file is whole or empty, and of two programs that start on one new file
// only one fills it. False: the other did.
bool create(sqlite_connection& db, std::uint64_t videos) {
    db.write_ahead();
    adapters::sqlite_transaction all(db);
    if (is_ours(db))
        return false;
    db.run("CREATE TABLE VIDEO (VIDEO_ID TEXT PRIMARY KEY, VIEW INTEGER)");
    // Not unique on purpose: that a day is there once is what the guarded write is for.
    db.run("CREATE TABLE HISTORY (ID TEXT NOT NULL, DATE TEXT NOT NULL, VIEW_COUNT INTEGER)");
    db.run("CREATE INDEX HISTORY_OF_DAY ON HISTORY (DATE, ID)");
    fill(db, videos);
    db.run("PRAGMA application_id = " + std::to_string(file_mark));
    all.commit();
    return true;
}

std::unique_ptr<sqlite_connection> open(embedded_arguments const& a) {
    if (std::filesystem::exists(a.file) && !std::filesystem::is_regular_file(a.file))
        throw std::runtime_error("it is no file");
    auto db = std::make_unique<sqlite_connection>(a.file, patience);
    if (!is_ours(*db)) {
        if (read_number(*db, "SELECT count(*) FROM sqlite_master") != 0 && !is_ours(*db))
            throw std::runtime_error("it is a database, but none of this program's; name another file");
        if (create(*db, a.videos.value_or(1000)))
            return db;
    }
    db->write_ahead();
    auto const count = read_number(*db, "SELECT count(*) FROM VIDEO");
    if (a.videos && static_cast<std::uint64_t>(count) != *a.videos)
        throw std::runtime_error(
            "it holds " + std::to_string(count) +
            " videos already, and --videos is for a new file; leave --videos out, or name "
            "another file");
    return db;
}

} // namespace

embedded_store::embedded_store(embedded_arguments const& arguments, std::string day)
    : arguments_(arguments), day_(std::move(day)) {
    db_ = open(arguments_);
    // One statement, so one transaction: look whether the day is there, and insert it if not.
    insert_ = std::make_unique<adapters::sqlite_statement>(
        db_->prepare("INSERT INTO HISTORY (ID, DATE, VIEW_COUNT) SELECT ?1, ?2, ?3 "
                     "WHERE NOT EXISTS (SELECT 1 FROM HISTORY WHERE DATE = ?2 AND ID = ?1)"));
}

double embedded_store::random_share() {
    auto const bits =
        splitmix64(splitmix64(arguments_.seed) + draws_.fetch_add(1, std::memory_order_relaxed));
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

asio::awaitable<void> embedded_store::record(video const& v) {
    if (arguments_.latency.count() != 0) {
        auto const jitter = 0.5 + random_share();
        asio::steady_timer network(co_await asio::this_coro::executor);
        network.expires_after(
            std::chrono::duration_cast<std::chrono::nanoseconds>(arguments_.latency * jitter));
        co_await network.async_wait(asio::use_awaitable);
    }
    if (arguments_.throttle > 0 && random_share() < arguments_.throttle)
        throw system_error(make_error_code(adapters::dynamodb_errc::throttled));
    append(v);
}

void embedded_store::append(video const& v) {
    std::lock_guard const lock(mutex_);
    insert_->bind(v.id, day_, v.view_count).step();
}

std::vector<video> embedded_store::read_videos() {
    std::lock_guard const lock(mutex_);
    auto rows = db_->prepare("SELECT VIDEO_ID, VIEW FROM VIDEO ORDER BY VIDEO_ID");
    std::vector<video> out;
    while (rows.step())
        out.push_back({rows.text(0), rows.nullable_integer(1)});
    return out;
}

entries_of_day embedded_store::read_entries() {
    std::lock_guard const lock(mutex_);
    auto rows = db_->prepare("SELECT ID, count(*) FROM HISTORY WHERE DATE = ?1 GROUP BY ID");
    rows.bind(day_);
    entries_of_day out;
    while (rows.step())
        out.emplace(rows.text(0), static_cast<unsigned>(rows.integer(1)));
    return out;
}

asio::awaitable<std::vector<video>> embedded_store::videos() {
    auto read = [this]() -> asio::awaitable<std::vector<video>> { co_return read_videos(); };
    co_return co_await asio::co_spawn(pool_, read, asio::use_awaitable);
}

asio::awaitable<entries_of_day> embedded_store::entries() {
    auto read = [this]() -> asio::awaitable<entries_of_day> { co_return read_entries(); };
    co_return co_await asio::co_spawn(pool_, read, asio::use_awaitable);
}

} // namespace snapshot
