// SPDX-License-Identifier: BSL-1.0
// product_reorder: a new product moves every other one by a place, in several ways, on a real MariaDB. See --help.
#include <fanout/limit/pool.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>

#include "../adapters/describe.hpp"
#include "../adapters/mysql.hpp"
#include "../support/program.hpp"
#include "../support/report.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/mysql/common_server_errc.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <map>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using adapters::mysql_session;
using namespace std::chrono_literals;

constexpr char const* about = "A shop shows its ten products in order. A new one comes first, so that each "
                              "other one moves by one place: ten\n"
                              "updates, each of one unit of time. They are fanned out in several ways, and "
                              "some are refused by a trigger of the\n"
                              "table: what is half done then, what is mended, and who is told of it.\n"
                              "It makes the table fanout_product, with a trigger, and the sequence "
                              "fanout_product_refusals in the database of\n"
                              "the URL (a MariaDB's), and drops them in the end.";

constexpr char const* footer =
    "Environment: FANOUT_MYSQL_URL is the URL if --mysql is not given.\n"
    "\n"
    "Exit status: 0 all came out as it should; 1 it did not, or an error; with --exhausted always 1, and one "
    "line on\n"
    "standard error names each product that could not be moved; 2 wrong arguments.";

// Where a product is to go. Product i of the ten is at place i - 1 before, and at place i after.
struct product {
    int id;
    int place;
};

std::vector<product> const products{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5},
                                    {6, 6}, {7, 7}, {8, 8}, {9, 9}, {10, 10}};
constexpr int new_product = 11;

using places = std::map<int, int>; // of each product that there is

struct shop {
    adapters::mysql_url url;
    std::chrono::milliseconds unit;
    mysql_session& session; // for all that is not the fan-out
    support::notebook& notes;
};

std::string name(product const& p) { return "product " + std::to_string(p.id); }

std::string names(std::size_t i) { return name(products[i]); }

std::string count(std::size_t n) { return std::to_string(n); }

void tell(shop const& s, std::string_view line) { s.notes.say() << "  " << line << std::endl; }

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

// [update]
// The place as it is to be, not `position + 1`: so it does the same if it is run twice. SLEEP runs once, for the one
// row that the key finds, and holds the lock of no other.
asio::awaitable<void> move(mysql_session& session, product const& p, std::chrono::nanoseconds takes) {
    co_await session.execute("UPDATE fanout_product SET position = ? WHERE id = ? AND SLEEP(?) = 0", p.place,
                             p.id, seconds(takes));
}
// [/update]

asio::awaitable<void> insert_new(mysql_session& session) {
    co_await session.execute("INSERT INTO fanout_product VALUES (?, 'new', 0)", new_product);
}

// Faults that the server makes. What a sequence has counted is not undone by a rollback.
constexpr std::string_view refuse_6 =
    "CREATE OR REPLACE TRIGGER fanout_product_refuses BEFORE UPDATE ON fanout_product FOR EACH ROW "
    "IF NEW.id = 6 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'product 6 is refused'; END IF";
constexpr std::string_view refuse_3_and_7 =
    "CREATE OR REPLACE TRIGGER fanout_product_refuses BEFORE UPDATE ON fanout_product FOR EACH ROW "
    "IF NEW.id IN (3, 7) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF";
constexpr std::string_view refuse_3_and_7_four_times =
    "CREATE OR REPLACE TRIGGER fanout_product_refuses BEFORE UPDATE ON fanout_product FOR EACH ROW "
    "IF NEW.id IN (3, 7) AND NEXT VALUE FOR fanout_product_refusals <= 4 "
    "THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'; END IF";
constexpr std::string_view refuse_none = "DROP TRIGGER IF EXISTS fanout_product_refuses";

// The ten products as they were at first, and the fault.
asio::awaitable<void> begin_anew(shop const& s, std::string_view title, std::string_view fault) {
    auto& session = s.session;
    s.notes.say() << title << std::endl;
    co_await session.execute("DELETE FROM fanout_product");
    co_await session.execute(
        "INSERT INTO fanout_product VALUES (1, 'a', 0), (2, 'b', 1), (3, 'c', 2), (4, 'd', 3), "
        "(5, 'e', 4), (6, 'f', 5), (7, 'g', 6), (8, 'h', 7), (9, 'i', 8), (10, 'j', 9)");
    co_await session.execute("ALTER SEQUENCE fanout_product_refusals RESTART");
    co_await session.execute(std::string(fault));
}

asio::awaitable<places> read_places(mysql_session& session) {
    places out;
    auto const found = co_await session.execute("SELECT id, position FROM fanout_product");
    for (auto const row : found.rows())
        out[static_cast<int>(row.at(0).as_int64())] = static_cast<int>(row.at(1).as_int64());
    co_return out;
}

bool is_moved(places const& all, product const& p) { return all.at(p.id) == p.place; }

std::size_t moved(places const& all) {
    std::size_t n = 0;
    for (auto const& p : products)
        n += is_moved(all, p) ? 1 : 0;
    return n;
}

bool all_done(places const& all) {
    return all.size() == products.size() + 1 && all.count(new_product) == 1 && moved(all) == products.size();
}

bool nothing_done(places const& all) { return all.size() == products.size() && moved(all) == 0; }

// A cancelled update's connection is closed, but the server does not look at it before the statement has ended.
asio::awaitable<void> until_the_server_rests(mysql_session& session) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto busy = true;
    while (busy) {
        auto const found = co_await session.execute(
            "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE fanout_product %'");
        busy = !found.rows().empty();
        timer.expires_after(5ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

// What the fan-out knows of each product in the end.
class fates {
public:
    void on_settled(fanout::settled_event const& e) { of_[products[e.index].id] = e.what; }
    fanout::state of(product const& p) const {
        auto const found = of_.find(p.id);
        return found == of_.end() ? fanout::state::not_started : found->second;
    }

private:
    std::map<int, fanout::state> of_;
};

// What the database holds must agree with what the fan-out knows, as far as it knows.
bool agrees(fanout::state fate, bool row_is_moved) {
    return fate == fanout::state::cancelled || row_is_moved == (fate == fanout::state::fulfilled);
}

bool tell_fates(shop const& s, fates const& all, places const& at_once, places const& later) {
    auto right = true;
    for (auto const& p : products) {
        auto const row = is_moved(at_once, p) ? "moved"
                         : is_moved(later, p) ? "moved, after the error"
                                              : "as it was";
        tell(s, name(p) + ": " + fanout::to_string(all.of(p)) + "; its row: " + row);
        right = agrees(all.of(p), is_moved(later, p)) && right;
    }
    return right;
}

using session_pool = fanout::pool<mysql_session>;

session_pool::create_function opener(shop const& s) {
    return [url = s.url] { return adapters::open_mysql(url); };
}

bool is_usable(mysql_session const& session) { return session.usable(); }

// Borrows all connections at once, so that each is open before the work begins.
asio::awaitable<void> open_all(session_pool& sessions) {
    std::vector<session_pool::lease> all;
    while (all.size() < sessions.size())
        all.push_back(co_await sessions.acquire());
    for (auto& one : all)
        one.give_back();
}

// when_all, four connections, and the update of product 6 is refused, half of a unit after it began.
asio::awaitable<bool> half_done(shop const& s) {
    co_await begin_anew(s, "when_all on four connections, product 6 is refused", refuse_6);
    std::string told;
    fates known;
    // [half-done]
    session_pool sessions(4, opener(s), is_usable);
    co_await open_all(sessions);
    auto const move_one = [&](product const& p, mysql_session& session) {
        return move(session, p, p.id == 6 ? s.unit / 2 : s.unit);
    };
    co_await insert_new(s.session);
    auto& seen = s.notes.record("when_all on four connections", names);
    try {
        co_await fanout::when_all(products, move_one, sessions, fanout::observe(known, seen));
    } catch (boost::system::system_error const& e) {
        told = adapters::describe(e);
    }
    // [/half-done]
    auto const at_once = co_await read_places(s.session);
    co_await until_the_server_rests(s.session);
    auto const later = co_await read_places(s.session);
    tell(s, "the caller was told: " + told);
    auto const agreed = tell_fates(s, known, at_once, later);
    s.notes.report("product_reorder: when_all, one of ten fails", "some rows changed, told that it failed",
                   count(moved(at_once)) + " rows changed at the error, " + count(moved(later)) +
                       " in the end, told that it failed");
    co_return agreed&& told.find("product 6 is refused") != told.npos&& moved(later) > 0 &&
        moved(later) < products.size();
}

// when_all_settled on ten connections: an outcome for each.
asio::awaitable<bool> settled(shop const& s) {
    co_await begin_anew(s, "when_all_settled, products 3 and 7 are refused", refuse_3_and_7);
    co_await insert_new(s.session);
    // [settled]
    session_pool sessions(products.size(), opener(s), is_usable);
    auto const move_one = [&](product const& p, mysql_session& session) { return move(session, p, s.unit); };
    auto const outcomes = co_await fanout::when_all_settled(products, move_one, sessions);
    // [/settled]
    auto const after = co_await read_places(s.session);
    std::string rejected;
    auto agreed = true;
    for (std::size_t i = 0; i < products.size(); ++i) {
        agreed = agrees(fanout::state_of(outcomes[i]), is_moved(after, products[i])) && agreed;
        if (outcomes[i].has_value())
            continue;
        rejected += (rejected.empty() ? "" : ", ") + name(products[i]);
        tell(s, name(products[i]) + ": " + adapters::describe(outcomes[i].exception()));
    }
    s.notes.report("product_reorder: when_all_settled, two of ten fail", "the rejected are collected",
                   count(moved(after)) + " rows changed; rejected: " + rejected);
    co_return agreed&& rejected == "product 3, product 7" && moved(after) == products.size() - 2;
}

// Each rejected product again, at most three times.
asio::awaitable<fanout::retried<void>> reorder_with_retries(shop const& s, fanout::recording& seen) {
    co_await insert_new(s.session);
    // [retries]
    session_pool sessions(products.size(), opener(s), is_usable);
    auto const move_one = [&](product const& p, mysql_session& session) { return move(session, p, s.unit); };
    auto result = co_await fanout::retry_rejected(products, move_one, fanout::retry_policy{.max_attempts = 4},
                                                  sessions, seen);
    // [/retries]
    co_return result;
}

asio::awaitable<bool> retried(shop const& s) {
    co_await begin_anew(s, "retry_rejected, the first four updates of products 3 and 7 are refused",
                        refuse_3_and_7_four_times);
    auto& seen = s.notes.record("retry_rejected on ten connections", names);
    auto const result = co_await reorder_with_retries(s, seen);
    for (std::size_t i = 0; i < products.size(); ++i) {
        if (result.attempts[i] > 1)
            tell(s, name(products[i]) + ": " + count(result.attempts[i]) + " attempts");
    }
    auto const after = co_await read_places(s.session);
    s.notes.report("product_reorder: retry_rejected, at most 3 retries",
                   "the settled promises again: nothing runs",
                   count(moved(after)) + " rows changed, " + count(result.retries()) + " retries");
    co_return all_done(after) && result.failed() == 0 && result.retries() == 4;
}

// "product 3 (4 attempts): …; product 7 (4 attempts): …"
std::string name_all(std::vector<fanout::failure> const& failures) {
    std::string out;
    for (auto const& f : failures) {
        out += (out.empty() ? "" : "; ") + name(products[f.index]) + " (" + count(f.attempts) +
               " attempts): " + adapters::describe(f.exception);
    }
    return out;
}

asio::awaitable<std::vector<fanout::failure>> run_out_of_retries(shop const& s, fanout::recording& seen) {
    co_await begin_anew(s, "retry_rejected, products 3 and 7 are always refused", refuse_3_and_7);
    auto const result = co_await reorder_with_retries(s, seen);
    co_return result.failures();
}

asio::awaitable<bool> exhausted(shop const& s) {
    fanout::recording not_shown;
    auto const failures = co_await run_out_of_retries(s, not_shown);
    tell(s, name_all(failures));
    auto const after = co_await read_places(s.session);
    s.notes.report("product_reorder: retries exhausted",
                   "\"retry limit exceeded\", even if none was rejected",
                   count(moved(after)) + " rows changed; " + count(failures.size()) + " products named");
    auto right = failures.size() == 2 && moved(after) == products.size() - 2;
    for (auto const& f : failures)
        right = f.attempts == 4 && !is_moved(after, products[f.index]) && right;
    co_return right;
}

// [transaction]
// Runs work() between BEGIN and COMMIT, or rolls back and throws on.
template <class Work>
asio::awaitable<void> in_transaction(mysql_session& session, Work const& work) {
    co_await session.execute("BEGIN");
    std::exception_ptr failure;
    try {
        co_await work();
        co_await session.execute("COMMIT");
    } catch (...) {
        failure = std::current_exception(); // a catch block cannot co_await
    }
    if (!failure)
        co_return;
    // Once cancelled, a coroutine throws at its next co_await: not at this one, or the transaction stays open.
    co_await asio::this_coro::reset_cancellation_state();
    try {
        if (session.usable()) // else the server sees that the connection is gone, and rolls back by itself
            co_await session.execute("ROLLBACK");
    } catch (std::exception const&) { // what went wrong first is what to tell
    }
    std::rethrow_exception(failure);
}

// The pool lends out one connection, the transaction's: it makes the children run one after another.
asio::awaitable<void> reorder_in_transaction(shop const& s, fanout::recording& seen) {
    fanout::pool<mysql_session*> connection(
        1, [&]() -> asio::awaitable<mysql_session*> { co_return &s.session; });
    auto const move_one = [&](product const& p, mysql_session* session) { return move(*session, p, s.unit); };
    auto const work = [&]() -> asio::awaitable<void> {
        co_await insert_new(s.session);
        co_await fanout::when_all(products, move_one, connection, seen);
    };
    co_await in_transaction(s.session, work);
}
// [/transaction]

std::string parallelism(fanout::recording const& seen) {
    return support::in_units(seen.totals().child_time(), seen.totals().wall_time());
}

asio::awaitable<bool> transaction(shop const& s) {
    co_await begin_anew(s, "when_all in one transaction, on its one connection", refuse_none);
    constexpr auto const* part = "one transaction on one connection";
    auto& seen = s.notes.record(part, names);
    support::stopwatch const watch;
    co_await reorder_in_transaction(s, seen);
    auto const took = watch.elapsed();
    s.notes.tell(part);
    auto const after = co_await read_places(s.session);
    s.notes.report("product_reorder: when_all in one transaction", "10 units, not 1",
                   support::in_units(took, s.unit) + " units, effective parallelism " + parallelism(seen));
    co_return all_done(after) && took >= products.size() * s.unit&& parallelism(seen) == "1.0";
}

asio::awaitable<bool> transaction_fails(shop const& s) {
    co_await begin_anew(s, "The same, product 6 is refused", refuse_6);
    fanout::recording not_shown;
    std::string told;
    try {
        co_await reorder_in_transaction(s, not_shown);
    } catch (boost::system::system_error const& e) {
        told = adapters::describe(e);
    }
    tell(s, "the caller was told: " + told);
    auto const after = co_await read_places(s.session);
    s.notes.report("product_reorder: one transaction, one of ten fails", "all or nothing",
                   count(moved(after)) + " rows changed, " + count(not_shown.totals().fulfilled()) +
                       " undone");
    co_return nothing_done(after) && told.find("product 6 is refused") != told.npos;
}

// What the fan-out is not needed for: one statement moves them all, all or nothing by itself.
asio::awaitable<bool> one_statement(shop const& s) {
    co_await begin_anew(s, "One statement", refuse_none);
    std::chrono::nanoseconds took{};
    auto const work = [&]() -> asio::awaitable<void> {
        // The unit is slept once. The statement itself takes about as long for ten rows as for one.
        auto watched =
            s.notes.loop("one statement", 1, [](std::size_t) { return std::string("all products"); });
        support::stopwatch const watch;
        co_await watched(s.session.execute(
            "UPDATE fanout_product SET position = position + 1 WHERE IF(id = 1, SLEEP(?), 0) = 0",
            seconds(s.unit)));
        took = watch.elapsed();
        co_await insert_new(s.session);
    };
    co_await in_transaction(s.session, work);
    auto const after = co_await read_places(s.session);
    s.notes.report("product_reorder: one UPDATE of all rows", "-",
                   support::in_units(took, s.unit) + " units, " + count(moved(after)) + " rows changed");
    co_return all_done(after);
}

asio::awaitable<bool> show_all(shop const& s) {
    auto right = true;
    for (auto* const part :
         {half_done, settled, retried, exhausted, transaction, transaction_fails, one_statement}) {
        if (!co_await part(s)) {
            tell(s, "WRONG: this did not come out as it should");
            right = false;
        }
    }
    co_return right;
}

asio::awaitable<bool> show_exhausted(shop const& s) {
    auto& seen = s.notes.record("retry_rejected, exhausted", names);
    auto const failures = co_await run_out_of_retries(s, seen);
    if (!failures.empty())
        throw std::runtime_error(count(failures.size()) + " of " + count(products.size()) +
                                 " products could not be moved: " + name_all(failures));
    co_return false; // they were to fail
}

// CREATE TABLE or SEQUENCE, which share their names, of one that is not there yet.
asio::awaitable<void> create(mysql_session& session, std::string what, std::string sql) {
    try {
        co_await session.execute(std::move(sql));
    } catch (boost::system::system_error const& e) {
        if (e.code() != boost::mysql::common_server_errc::er_table_exists_error)
            throw;
        throw std::runtime_error("there is a " + what +
                                 " already, which this program will not touch; if it was left by a run "
                                 "that was killed, drop it");
    }
}

// Adds to `undo` what drops each thing that it made.
asio::awaitable<void> create_table(mysql_session& session, std::vector<std::string>& undo) {
    co_await create(session, "table fanout_product",
                    "CREATE TABLE fanout_product (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, "
                    "position INT NOT NULL) ENGINE = InnoDB");
    undo.push_back("DROP TABLE fanout_product"); // and its trigger
    co_await create(session, "sequence fanout_product_refusals", "CREATE SEQUENCE fanout_product_refusals");
    undo.push_back("DROP SEQUENCE fanout_product_refusals");
}

asio::awaitable<bool> run(support::notebook& notes, adapters::mysql_url url, std::chrono::milliseconds unit,
                          bool only_exhausted) {
    auto session = co_await adapters::open_mysql(url);
    co_await session.execute("SET SESSION lock_wait_timeout = 120"); // for DROP TABLE: the default is a day
    std::vector<std::string> undo;
    shop const s{url, unit, session, notes};
    auto right = false;
    std::exception_ptr failure;
    try {
        co_await create_table(session, undo);
        if (only_exhausted)
            right = co_await show_exhausted(s);
        else
            right = co_await show_all(s);
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        if (!session.usable() && !undo.empty())
            co_await session.connect();
        for (auto const& sql : undo)
            co_await session.execute(sql);
    } catch (std::exception const& e) {
        if (!failure)
            throw std::runtime_error("could not drop what it had made: " + adapters::describe(e));
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return right;
}

adapters::mysql_url parse(std::string const& given) {
    return support::url_from(adapters::parse_mysql_url, given, "--mysql", "FANOUT_MYSQL_URL");
}

} // namespace

int main(int argc, char** argv) {
    std::string url;
    std::chrono::milliseconds unit = 1s;
    auto only_exhausted = false;
    CLI::App app(about, "product_reorder");
    app.footer(footer);
    app.add_option("--mysql", url, "mysql://USER:PASSWORD@HOST:PORT/DATABASE")->type_name("URL");
    app.add_flag("--exhausted", only_exhausted,
                 "Show only how it ends when retries do not help: with exit status 1");
    support::add_unit(app, unit);
    auto const job = [&](support::notebook& notes) { return run(notes, parse(url), unit, only_exhausted); };
    return support::run_program(app, argc, argv, job);
}
