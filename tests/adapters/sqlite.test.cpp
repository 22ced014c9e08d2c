// SPDX-License-Identifier: BSL-1.0
#include "sqlite.hpp"

#include "embedded.hpp"
#include "transient.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace adapters;
namespace asio = boost::asio;
using boost::system::system_error;

struct folder {
    std::filesystem::path path;
    folder() {
        auto name = (std::filesystem::temp_directory_path() / "fanout-sqlite-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
    std::string file(char const* name) const { return (path / name).string(); }
};

template <class T>
T await(asio::awaitable<T> what) {
    asio::io_context io(1);
    auto result = asio::co_spawn(io, std::move(what), asio::use_future);
    io.run();
    return result.get();
}

int sqlite_error_of(auto run) {
    try {
        run();
    } catch (system_error const& e) {
        CHECK(e.code().category() == sqlite_category());
        return e.code().value();
    }
    return SQLITE_OK;
}

constexpr std::chrono::milliseconds no_patience(0);

snapshot::embedded_arguments at(std::string file, std::uint64_t videos) {
    snapshot::embedded_arguments out;
    out.file = std::move(file);
    out.latency = {};
    out.videos = videos;
    return out;
}

} // namespace

TEST_CASE("values come back as they were bound") {
    folder const dir;
    sqlite_connection db(dir.file("a.db"), no_patience);
    db.run("CREATE TABLE t (id TEXT, n INTEGER)");
    auto insert = db.prepare("INSERT INTO t VALUES (?1, ?2)");
    std::string const odd = "it's \"x\"; DROP TABLE t; -- 고양이";
    insert.bind(odd, std::numeric_limits<std::int64_t>::max()).step();
    insert.bind("none", std::optional<std::int64_t>()).step();
    CHECK(db.changes() == 1);
    auto rows = db.prepare("SELECT id, n FROM t ORDER BY rowid");
    REQUIRE(rows.step());
    CHECK(rows.text(0) == odd);
    CHECK(rows.integer(1) == std::numeric_limits<std::int64_t>::max());
    REQUIRE(rows.step());
    CHECK_FALSE(rows.nullable_integer(1).has_value());
    CHECK_FALSE(rows.step());
}

TEST_CASE("a transaction that is not committed leaves nothing") {
    folder const dir;
    sqlite_connection db(dir.file("a.db"), no_patience);
    db.run("CREATE TABLE t (n INTEGER)");
    {
        sqlite_transaction const transaction(db);
        db.run("INSERT INTO t VALUES (1)");
    }
    auto rows = db.prepare("SELECT n FROM t");
    CHECK_FALSE(rows.step());
}

TEST_CASE("SQLite's errors are codes of its category") {
    folder const dir;
    CHECK(sqlite_error_of([&] { sqlite_connection(dir.file("no/such/folder.db"), no_patience); }) ==
          SQLITE_CANTOPEN);
    sqlite_connection db(dir.file("a.db"), no_patience);
    CHECK(sqlite_error_of([&] { db.run("SELECT * FROM nowhere"); }) == SQLITE_ERROR);
    std::ofstream(dir.file("text.db"))
        << "dear diary, this is no database at all, not even a bit of one, see ......................";
    sqlite_connection text(dir.file("text.db"), no_patience);
    CHECK(sqlite_error_of([&] { text.run("SELECT * FROM sqlite_master"); }) == SQLITE_NOTADB);
}

TEST_CASE("another's lock is 'busy', and worth a retry") {
    folder const dir;
    sqlite_connection db(dir.file("a.db"), no_patience);
    db.run("CREATE TABLE t (n INTEGER)");
    sqlite_connection other(dir.file("a.db"), no_patience);
    sqlite_transaction const holds_the_lock(other);
    CHECK(sqlite_error_of([&] { db.run("INSERT INTO t VALUES (1)"); }) == SQLITE_BUSY);
    CHECK(snapshot::is_worth_a_retry({SQLITE_BUSY, sqlite_category()}));
}

TEST_CASE("a full disk is an error that no retry mends, and the statement can run again") {
    folder const dir;
    sqlite_connection db(dir.file("a.db"), no_patience);
    db.run("CREATE TABLE t (x TEXT)");
    db.run("PRAGMA max_page_count = 4"); // SQLite's own way to be full
    auto insert = db.prepare("INSERT INTO t VALUES (?1)");
    std::string const large(100'000, 'x');
    CHECK(sqlite_error_of([&] { insert.bind(large).step(); }) == SQLITE_FULL);
    CHECK_FALSE(snapshot::is_worth_a_retry({SQLITE_FULL, sqlite_category()}));
    CHECK(sqlite_error_of([&] { insert.bind("small").step(); }) == SQLITE_OK);
}

TEST_CASE("the store records a day once, however often it is told to") {
    folder const dir;
    snapshot::embedded_store store(at(dir.file("a.db"), 10), "2026-11-22");
    auto const videos = await(store.videos());
    REQUIRE(videos.size() == 10);
    CHECK(await(store.entries()).empty());
    for (int i = 0; i < 3; ++i)
        for (auto const& v : videos)
            await(store.record(v));
    auto const entries = await(store.entries());
    CHECK(entries.size() == 10);
    for (auto const& [id, count] : entries)
        CHECK(count == 1);
    CHECK(await(snapshot::embedded_store(at(dir.file("a.db"), 10), "2026-11-23").entries()).empty());
}

TEST_CASE("the store counts what was doubled by others") {
    folder const dir;
    {
        snapshot::embedded_store const store(at(dir.file("a.db"), 1), "2026-11-22");
    }
    sqlite_connection db(dir.file("a.db"), no_patience);
    for (int i = 0; i < 2; ++i)
        db.run("INSERT INTO HISTORY VALUES ('video-000000', '2026-11-22', 7)");
    snapshot::embedded_store store(at(dir.file("a.db"), 1), "2026-11-22");
    CHECK(await(store.entries()) == snapshot::entries_of_day{{"video-000000", 2}});
}

TEST_CASE("a throttled write throws, and leaves no trace") {
    folder const dir;
    auto arguments = at(dir.file("a.db"), 1);
    arguments.throttle = 1;
    snapshot::embedded_store store(arguments, "2026-11-22");
    auto const videos = await(store.videos());
    CHECK_THROWS_AS(await(store.record(videos[0])), system_error);
    CHECK(await(store.entries()).empty());
}

TEST_CASE("an empty file, and an empty database, become a store") {
    folder const dir;
    std::ofstream(dir.file("a.db")).close();
    CHECK(await(snapshot::embedded_store(at(dir.file("a.db"), 3), "2026-11-22").videos()).size() == 3);
    {
        sqlite_connection db(dir.file("b.db"), no_patience); // as one whose making was cut off
        db.run("PRAGMA journal_mode = WAL");
    }
    CHECK(await(snapshot::embedded_store(at(dir.file("b.db"), 3), "2026-11-22").videos()).size() == 3);
}

TEST_CASE("a write-ahead log is waited for while another writes, for the patience") {
    folder const dir;
    sqlite_connection writer(dir.file("a.db"), no_patience);
    std::optional<sqlite_transaction> writing(writer);
    sqlite_connection hasty(dir.file("a.db"), no_patience);
    CHECK(sqlite_error_of([&] { hasty.write_ahead(); }) == SQLITE_BUSY);

    struct watch {
        std::optional<sqlite_transaction>& writing;
        int tries = 0;
    } watched{writing};
    auto const ends_the_writing_at_the_third = [](unsigned, void* context, void*, void*) {
        auto& w = *static_cast<watch*>(context);
        if (++w.tries == 3)
            w.writing->commit();
        return 0;
    };
    sqlite_connection patient(dir.file("a.db"), std::chrono::hours(1));
    sqlite3_trace_v2(patient.native_handle(), SQLITE_TRACE_STMT, ends_the_writing_at_the_third, &watched);
    patient.write_ahead();
    CHECK(watched.tries == 4); // the last of them of what follows
    auto mode = writer.prepare("PRAGMA journal_mode");
    CHECK(mode.step());
    CHECK(mode.text(0) == "wal");
}

TEST_CASE("two that begin on one new file share what the first made") {
    folder const dir;
    std::vector<std::thread> threads;
    std::atomic<int> opened{0};
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            snapshot::embedded_store const store(at(dir.file("a.db"), 50), "2026-11-22");
            ++opened;
        });
    for (auto& t : threads)
        t.join();
    CHECK(opened == 4);
    CHECK(await(snapshot::embedded_store(at(dir.file("a.db"), 50), "2026-11-22").videos()).size() == 50);
}

TEST_CASE("a file that is not the store's is left as it is") {
    folder const dir;
    {
        sqlite_connection db(dir.file("other.db"), no_patience);
        db.run("CREATE TABLE t (n INTEGER)");
    }
    CHECK_THROWS_AS(snapshot::embedded_store(at(dir.file("other.db"), 1), "2026-11-22"), std::runtime_error);
    CHECK_THROWS(snapshot::embedded_store(at(dir.path.string(), 1), "2026-11-22"));
    CHECK_THROWS(snapshot::embedded_store(at(dir.file("no/such/folder.db"), 1), "2026-11-22"));
    {
        snapshot::embedded_store const store(at(dir.file("a.db"), 3), "2026-11-22");
    }
    CHECK_THROWS_AS(snapshot::embedded_store(at(dir.file("a.db"), 4), "2026-11-22"), std::runtime_error);
    sqlite_connection db(dir.file("other.db"), no_patience);
    CHECK(sqlite_error_of([&] { db.run("SELECT * FROM VIDEO"); }) == SQLITE_ERROR);
}
