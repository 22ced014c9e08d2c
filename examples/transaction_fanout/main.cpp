// SPDX-License-Identifier: BSL-1.0
// transaction_fanout: what a rollback takes back of inserts that were fanned out, on a real PostgreSQL. See --help.
#include <fanout/limit/pool.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../adapters/postgres.hpp"
#include "../support/program.hpp"
#include "../support/report.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <iomanip>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using adapters::postgres_error;
using adapters::postgres_session;
using adapters::sqlstate;

constexpr char const* about =
    "Fans out inserts of 1, 2, 3 and 5 units of time, and one that fails, over PostgreSQL connections, and\n"
    "shows how long each way takes, and which rows are left after the rollback:\n"
    "  - on the one connection of the transaction, by when_all_settled and by when_all\n"
    "  - each on a connection of its own, with the transaction on another one\n"
    "  - each in a transaction of its own, all of them finished alike by two-phase commit\n"
    "It makes the table fanout_node_test in the database of the URL, and drops it in the end.";

constexpr char const* footer =
    "The server must allow prepared transactions: max_prepared_transactions of 5 or more.\n"
    "\n"
    "Environment: FANOUT_POSTGRES_URL is the URL if --postgres is not given; PGPASSWORD is the password if\n"
    "the URL has none (a URL can be seen in the list of processes).\n"
    "\n"
    "Exit status: 0 all came out as it should; 1 it did not, or an error; 2 wrong arguments.";

// [insert]
struct row {
    std::string name;
    int units;          // how long its insert takes
    bool fails = false; // by naming a column that the table does not have
};

// The server computes pg_sleep before it inserts: a statement that takes its time.
asio::awaitable<void> insert(postgres_session& session, row const& r, std::chrono::milliseconds unit) {
    auto const* const sql =
        r.fails ? "INSERT INTO fanout_node_test (name, nap) VALUES ($1, pg_sleep($2)::text)"
                : "INSERT INTO fanout_node_test (name, sleep) VALUES ($1, pg_sleep($2)::text)";
    co_await session.execute(sql, r.name, std::chrono::duration<double>(r.units * unit).count());
}
// [/insert]

std::vector<row> const rows{
    {"1 unit", 1}, {"2 units", 2}, {"3 units", 3}, {"a failure", 4, true}, {"5 units", 5}};
std::vector<row> const good_rows{{"1 unit", 1}, {"2 units", 2}, {"3 units", 3}, {"5 units", 5}};

using outcomes = std::vector<fanout::settled<void>>;

bool all_fulfilled(outcomes const& all) {
    return std::all_of(all.begin(), all.end(), [](auto const& one) { return one.has_value(); });
}

// What the experiments share: a session that does not take part, the length of a unit, and where to tell of them.
struct bench {
    adapters::postgres_url url;
    std::chrono::milliseconds unit;
    postgres_session& session;
    support::notebook& notes;
};

// What came of one.
struct finding {
    outcomes settled;                    // of each row, in order
    fanout::stats stats;                 // of the inserts
    std::chrono::nanoseconds took{};     // with BEGIN, COMMIT and so on
    std::vector<std::string> unfinished; // names of transactions that the second phase did not finish
};

// [one-connection]
// The pool lends out the one session that holds the transaction. It must not make another in its place, as a pool of
// connections does when one is lost: what ran there would be outside of the transaction.
using the_session = fanout::pool<postgres_session*>;

asio::awaitable<finding> settled_on_one_connection(bench const& b, fanout::recording& seen) {
    finding out;
    postgres_session session(b.url);
    co_await session.connect();
    auto const lend = [&]() -> asio::awaitable<postgres_session*> { co_return &session; };
    the_session connection(1, lend);
    auto const insert_row = [&](row const& r, postgres_session* s) { return insert(*s, r, b.unit); };

    support::stopwatch const watch;
    co_await session.execute("BEGIN");
    out.settled =
        co_await fanout::when_all_settled(rows, insert_row, connection, fanout::observe(out.stats, seen));
    auto const* const end = all_fulfilled(out.settled) ? "COMMIT" : "ROLLBACK";
    co_await session.execute(end);
    out.took = watch.elapsed();
    co_return out;
}
// [/one-connection]

asio::awaitable<finding> all_on_one_connection(bench const& b, fanout::recording& seen) {
    finding out;
    postgres_session session(b.url);
    co_await session.connect();
    auto const lend = [&]() -> asio::awaitable<postgres_session*> { co_return &session; };
    the_session connection(1, lend);
    auto const insert_row = [&](row const& r, postgres_session* s) { return insert(*s, r, b.unit); };

    support::stopwatch const watch;
    co_await session.execute("BEGIN");
    // [when-all]
    auto const* end = "COMMIT";
    try {
        co_await fanout::when_all(rows, insert_row, connection, fanout::observe(out.stats, seen));
    } catch (postgres_error const& e) {
        b.notes.say() << "  when_all threw: " << e.what() << '\n';
        end = "ROLLBACK";
    }
    co_await session.execute(end); // nothing of the fan-out runs any more
    // [/when-all]
    out.took = watch.elapsed();
    co_return out;
}

// [pool]
using session_ptr = std::unique_ptr<postgres_session>;
using session_pool = fanout::pool<session_ptr>;

asio::awaitable<session_ptr> open_session(adapters::postgres_url url) {
    auto session = std::make_unique<postgres_session>(std::move(url));
    co_await session->connect();
    co_return session;
}
// [/pool]

// Opens all of a pool's connections, so that the time of that is in no figure.
asio::awaitable<void> open_all(session_pool& pool) {
    std::vector<session_pool::lease> all;
    while (all.size() < pool.size())
        all.push_back(co_await pool.acquire());
    for (auto& lease : all)
        lease.give_back();
}

asio::awaitable<finding> settled_on_separate_connections(bench const& b, fanout::recording& seen) {
    finding out;
    postgres_session transaction(b.url);
    co_await transaction.connect();
    auto const create = [&b] { return open_session(b.url); };
    auto const is_fit = [](session_ptr& s) { return s->is_open(); };
    session_pool connections(rows.size(), create, is_fit);
    co_await open_all(connections);

    support::stopwatch const watch;
    // [separate]
    co_await transaction.execute("BEGIN");
    auto const insert_row = [&](row const& r, session_ptr& own) { return insert(*own, r, b.unit); };
    out.settled =
        co_await fanout::when_all_settled(rows, insert_row, connections, fanout::observe(out.stats, seen));
    auto const* const end = all_fulfilled(out.settled) ? "COMMIT" : "ROLLBACK";
    co_await transaction.execute(end); // which is about no insert
    // [/separate]
    out.took = watch.elapsed();
    co_return out;
}

// [prepare]
// A row, and the name by which any session may finish its transaction once that is prepared.
struct branch {
    row what;
    std::string name;
};

// The first phase. A prepared transaction is no longer its session's, holds its locks, outlives a crash of the server,
// and can still go both ways.
asio::awaitable<void> insert_and_prepare(postgres_session& session, branch const& br,
                                         std::chrono::milliseconds unit) {
    co_await session.execute("BEGIN");
    co_await insert(session, br.what, unit);
    co_await session.execute("PREPARE TRANSACTION " + session.literal(br.name));
}
// [/prepare]

// [finish]
enum class decision { commit, roll_back };

// The second phase, for one transaction; again after a lost connection, so it may find its work done.
asio::awaitable<void> finish(postgres_session& session, branch const& br, decision d, bool first_attempt) {
    auto const* const command = d == decision::commit ? "COMMIT PREPARED " : "ROLLBACK PREPARED ";
    try {
        co_await session.execute(command + session.literal(br.name));
    } catch (postgres_error const& e) {
        // 42704: there is none of that name. In a rollback it was never prepared, or is rolled back.
        if (e.code() != sqlstate("42704") || (d == decision::commit && first_attempt))
            throw;
    }
}
// [/finish]

asio::awaitable<finding> transaction_per_connection(bench const& b, fanout::recording& seen,
                                                    std::vector<row> const& given) {
    finding out;
    auto const run = co_await b.session.execute("SELECT 'fanout_node_test ' || gen_random_uuid()");
    std::vector<branch> branches;
    for (auto const& r : given)
        branches.push_back({r, run.rows.at(0).at(0).value() + ' ' + std::to_string(branches.size())});
    auto const create = [&b] { return open_session(b.url); };

    // [two-phase]
    // It is not asked whether a session is fit: then one whose child was rejected is dropped, in the middle of its
    // transaction, and the server rolls that back.
    session_pool connections(branches.size(), create);
    co_await open_all(connections);

    support::stopwatch const watch;
    auto const prepare = [&](branch const& br, session_ptr& own) {
        return insert_and_prepare(*own, br, b.unit);
    };
    out.settled =
        co_await fanout::when_all_settled(branches, prepare, connections, fanout::observe(out.stats, seen));

    auto const d = all_fulfilled(out.settled) ? decision::commit : decision::roll_back;
    auto const finish_one = [&](branch const& br, session_ptr& any, fanout::attempt const& attempt) {
        return finish(*any, br, d, attempt.number == 1);
    };
    auto const finished = co_await fanout::retry_rejected(
        branches, finish_one, fanout::retry_policy{.max_attempts = 5}, connections, seen);
    // [/two-phase]
    out.took = watch.elapsed();
    for (auto const& failure : finished.failures())
        out.unfinished.push_back(branches[failure.index].name);
    co_return out;
}

// An experiment, and what it must show.
struct experiment {
    std::string name;
    std::string article;
    std::function<asio::awaitable<finding>(bench const&, fanout::recording&)> run;
    std::vector<row> const& given;
    std::vector<std::string>
        errors;        // of each row: its SQLSTATE, or empty; no rows for when_all, which throws
    int units;         // how long it takes, at least
    bool side_by_side; // whether inserts run at the same time
    int rows_left;
};

std::vector<experiment> all_experiments() {
    auto const two_phase = [](bench const& b, fanout::recording& seen) {
        return transaction_per_connection(b, seen, rows);
    };
    auto const two_phase_good = [](bench const& b, fanout::recording& seen) {
        return transaction_per_connection(b, seen, good_rows);
    };
    std::vector<std::string> const none_fails{"", "", "", ""}, one_fails{"", "", "", "42703", ""};
    // After an error the transaction takes nothing more until it is rolled back: 25P02, at once.
    std::vector<std::string> const transaction_fails{"", "", "", "42703", "25P02"}, it_threw;
    return {
        {"when_all_settled, one connection", "6 s, 0 rows", settled_on_one_connection, rows,
         transaction_fails, 6, false, 0},
        {"when_all, one connection", "the same queueing, 0 rows", all_on_one_connection, rows, it_threw, 6,
         false, 0},
        {"separate connections, rollback on another", "about 5 s, the others' rows remain",
         settled_on_separate_connections, rows, one_fails, 5, true, 4},
        {"a transaction per connection, one fails", "described only", two_phase, rows, one_fails, 5, true, 0},
        {"a transaction per connection, none fails", "described only", two_phase_good, good_rows, none_fails,
         5, true, 4},
    };
}

void tell(std::ostream& out, experiment const& e, finding const& found) {
    for (std::size_t i = 0; i < found.settled.size(); ++i) {
        out << "  " << e.given[i].name << ": " << to_string(fanout::state_of(found.settled[i]));
        try {
            found.settled[i].value();
        } catch (std::exception const& error) {
            out << ": " << error.what();
        }
        out << '\n';
    }
    for (auto const& name : found.unfinished)
        out << "  WRONG: neither committed nor rolled back: the prepared transaction '" << name << "'\n";
}

bool came_out_right(experiment const& e, finding const& found, int rows_left,
                    std::chrono::milliseconds unit) {
    auto const is_as_wanted = [](auto const& one, std::string const& state) {
        return state.empty() ? one.has_value() : one.has_error() && one.error() == sqlstate(state);
    };
    auto const parallelism = found.stats.effective_parallelism();
    return std::equal(found.settled.begin(), found.settled.end(), e.errors.begin(), e.errors.end(),
                      is_as_wanted) &&
           found.stats.fulfilled() == static_cast<std::size_t>(e.side_by_side ? 4 : 3) &&
           found.unfinished.empty() && found.took >= e.units * unit &&
           (e.side_by_side ? parallelism > 1.5 : parallelism < 1.1) && rows_left == e.rows_left;
}

asio::awaitable<bool> show_all(bench const& b) {
    auto right = true;
    std::vector<std::string> figures;
    auto const experiments = all_experiments();
    for (auto const& e : experiments) {
        b.notes.say() << e.name << std::endl;
        // The second phase is recorded behind the inserts.
        auto& seen = b.notes.record(e.name, [&given = e.given](std::size_t i) {
            return i < given.size() ? given[i].name : "end of " + given[i - given.size()].name;
        });
        auto const found = co_await e.run(b, seen);
        auto const left = co_await b.session.execute("DELETE FROM fanout_node_test");
        auto const rows_left = static_cast<int>(left.affected);
        tell(b.notes.say(), e, found);
        if (!came_out_right(e, found, rows_left, b.unit)) {
            right = false;
            b.notes.say() << "  WRONG: this is not what it should be\n";
        }
        std::ostringstream ours;
        ours << support::in_units(found.took, b.unit) << " units, " << rows_left
             << " rows, effective parallelism " << std::fixed << std::setprecision(1)
             << found.stats.effective_parallelism();
        figures.push_back(ours.str());
    }
    for (std::size_t i = 0; i < experiments.size(); ++i)
        b.notes.report("transaction_fanout: " + experiments[i].name, experiments[i].article, figures[i]);
    co_return right;
}

asio::awaitable<void> create_table(postgres_session& session) {
    auto const allowed = co_await session.execute("SELECT current_setting('max_prepared_transactions')");
    if (std::stoul(allowed.rows.at(0).at(0).value()) < rows.size())
        throw std::runtime_error(
            "the server's max_prepared_transactions is below " + std::to_string(rows.size()) +
            "; raise it (ALTER SYSTEM SET max_prepared_transactions = 64), and start it anew");
    try {
        co_await session.execute("CREATE TABLE fanout_node_test (name text NOT NULL, sleep text NOT NULL)");
    } catch (postgres_error const& e) {
        if (e.code() != sqlstate("42P07"))
            throw;
        throw std::runtime_error(
            "there is a table fanout_node_test already, which this program will not touch; if it "
            "was left by a run that was killed, ROLLBACK PREPARED what pg_prepared_xacts has of "
            "that name, and drop it");
    }
}

// A transaction that was left prepared would keep the table from being dropped.
asio::awaitable<void> drop_table(postgres_session& session) {
    auto const prepared = co_await session.execute("SELECT gid FROM pg_prepared_xacts WHERE database = "
                                                   "current_database() AND gid LIKE 'fanout_node_test %'");
    for (auto const& cells : prepared.rows)
        co_await session.execute("ROLLBACK PREPARED " + session.literal(cells.at(0).value()));
    co_await session.execute("DROP TABLE fanout_node_test");
}

asio::awaitable<bool> run(support::notebook& notes, std::string given, std::chrono::milliseconds unit) {
    auto const url =
        support::url_from(adapters::parse_postgres_url, given, "--postgres", "FANOUT_POSTGRES_URL");
    postgres_session session(url);
    co_await session.connect();
    co_await session.execute("SET lock_timeout = '10s'");
    co_await create_table(session);
    auto right = false;
    std::exception_ptr failure;
    try {
        bench const b{url, unit, session, notes};
        right = co_await show_all(b);
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        co_await drop_table(session);
    } catch (std::exception const& e) {
        if (!failure)
            throw std::runtime_error(std::string("could not drop the table fanout_node_test: ") + e.what());
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return right;
}

} // namespace

int main(int argc, char** argv) {
    std::string url;
    auto unit = std::chrono::milliseconds(1000);
    CLI::App app(about, "transaction_fanout");
    app.footer(footer);
    app.add_option(
           "--postgres", url,
           "postgresql://USER:PASSWORD@HOST:PORT/DATABASE[?sslmode=verify-full|verify-ca|require|disable]; "
           "without sslmode=, verify-full, but disable on this machine")
        ->type_name("URL");
    support::add_unit(app, unit);
    auto const job = [&](support::notebook& notes) { return run(notes, url, unit); };
    return support::run_program(app, argc, argv, job);
}
