// SPDX-License-Identifier: BSL-1.0
#include "transfers.hpp"

#include <fanout/limit/pool.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>

#include "../adapters/describe.hpp"
#include "signals.hpp"
#include "story.hpp"
#include "transaction.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/mysql/common_server_errc.hpp>
#include <boost/mysql/results.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bank {
namespace {

using namespace std::chrono_literals;

using balances = std::map<std::int64_t, std::int64_t>;
using session_pool = fanout::pool<pooled_session>;

asio::awaitable<std::unique_ptr<mysql_session>> open_session(adapters::mysql_url url) {
    auto session = std::make_unique<mysql_session>(std::move(url));
    co_await session->connect();
    co_return session;
}

// For the pool. The time that a statement waits for a lock is the server's to keep, in whole seconds.
asio::awaitable<pooled_session> open_pooled(adapters::mysql_url url, std::chrono::seconds lock_wait) {
    pooled_session out;
    out.session = co_await open_session(std::move(url));
    co_await out.session->execute("SET SESSION innodb_lock_wait_timeout = ?", lock_wait.count());
    co_return out;
}

asio::awaitable<void> add(mysql_session& session, int account, std::int64_t amount) {
    auto const changed = co_await session.execute(
        "UPDATE fanout_accounts SET balance = balance + ? WHERE id = ?", amount, account);
    if (changed.affected_rows() != 1)
        throw std::runtime_error("there is no account " + std::to_string(account));
}

// What is run again as a whole. It changes nothing but the database, so a run that was rolled back left no trace.
asio::awaitable<void> move_money(mysql_session& session, transfer const& t, rendezvous& first_locks,
                                 support::notebook& notes) {
    co_await add(session, t.from, -t.amount);
    tell(notes, t.name + " has changed account " + std::to_string(t.from) + " and holds its lock");
    co_await first_locks.arrive();
    co_await add(session, t.to, t.amount);
}

asio::awaitable<balances> read_balances(mysql_session& session) {
    balances out;
    auto const found = co_await session.execute("SELECT id, balance FROM fanout_accounts");
    for (auto const row : found.rows())
        out[row.at(0).as_int64()] = row.at(1).as_int64();
    co_return out;
}

std::string to_text(balances const& all) {
    std::string out;
    for (auto const& [account, balance] : all)
        out += (out.empty() ? "account " : ", account ") + std::to_string(account) + ": " +
               std::to_string(balance);
    return out;
}

// One of the program's two parts: its transfers, and what their accounts must hold in the end.
struct part {
    std::string title;
    std::vector<transfer> transfers;
    std::size_t first_locks; // how many transfers hold their first lock before any asks for its second
    std::chrono::seconds lock_wait;
};

using outcome = fanout::retried<void>;

asio::awaitable<outcome> run_transfers(support::notebook& notes, adapters::mysql_url url, part const& p,
                                       totals& count, gate& timed_out) {
    rendezvous first_locks(co_await asio::this_coro::executor, p.first_locks);
    story const told(notes, p.transfers, count, first_locks, timed_out);
    auto const& transfers = p.transfers;
    auto const lock_wait = p.lock_wait;
    std::vector<std::string> names;
    for (auto const& t : transfers)
        names.push_back(t.name);
    auto& seen = notes.record(p.title, [names](std::size_t i) { return names[i]; });
    // [retry]
    session_pool sessions(2, [url, lock_wait] { return open_pooled(url, lock_wait); }, is_clean);

    // Called anew for each attempt: BEGIN, both updates, COMMIT, on a session of its own.
    auto const apply = [&](transfer const& t, pooled_session& pooled) {
        return transact(pooled,
                        [&](mysql_session& session) { return move_money(session, t, first_locks, notes); });
    };
    auto result = co_await fanout::retry_rejected(
        transfers, apply, fanout::retry_policy{.max_attempts = 5}, fanout::retry_if(is_worth_a_retry),
        sessions, fanout::options{.attempt_timeout = 60s}, fanout::observe(told, seen));
    // [/retry]
    co_return result;
}

// Both transfers hold the account that the other one wants.
asio::awaitable<outcome> deadlock(support::notebook& notes, adapters::mysql_url url, part const& p,
                                  totals& count) {
    gate timed_out(co_await asio::this_coro::executor);
    co_return co_await run_transfers(notes, std::move(url), p, count, timed_out);
}

// A session beside the pool holds what the transfer wants, until the transfer has given up once.
asio::awaitable<outcome> lock_wait_timeout(support::notebook& notes, adapters::mysql_url url, part const& p,
                                           totals& count, balances& expected) {
    auto const blocker = co_await open_session(url);
    co_await blocker->execute("BEGIN");
    co_await add(*blocker, 2, 5);
    tell(notes, "another session has paid 5 into account 2, holds its lock, and does not commit");
    gate timed_out(co_await asio::this_coro::executor);
    auto const commit = [&]() -> asio::awaitable<void> {
        co_await timed_out.pass();
        co_await blocker->execute("COMMIT");
        expected[2] += 5;
        tell(notes, "the other session has committed");
    };
    auto both =
        co_await fanout::when_all(run_transfers(notes, std::move(url), p, count, timed_out), commit());
    co_return std::move(std::get<0>(both));
}

// Adds to `expected` what was committed, and tells of what was not. Whether all effects are known.
bool settle_accounts(support::notebook& notes, part const& p, outcome const& result, balances& expected) {
    auto known = true;
    for (std::size_t i = 0; i < p.transfers.size(); ++i) {
        auto const& t = p.transfers[i];
        try {
            result.outcomes[i].value();
            expected[t.from] -= t.amount;
            expected[t.to] += t.amount;
        } catch (effect_unknown const& e) {
            known = false;
            tell(notes, t.name + " was not run again: " + e.what());
        } catch (std::exception const& e) {
            known = known && fanout::state_of(result.outcomes[i]) == fanout::state::rejected;
            tell(notes, t.name + " failed for good: " + adapters::describe(e));
        }
    }
    return known;
}

// Runs a part by run(expected) and compares the accounts with what they must hold.
template <class Run>
asio::awaitable<bool> show(support::notebook& notes, mysql_session& session, part const& p, totals& count,
                           Run run) {
    auto const before = co_await read_balances(session);
    auto expected = before;
    notes.say() << p.title << '\n';
    tell(notes, "before: " + to_text(before));
    for (auto const& t : p.transfers)
        tell(notes, t.name + " is to move " + std::to_string(t.amount) + " from account " +
                        std::to_string(t.from) + " to account " + std::to_string(t.to));
    count.transfers += static_cast<int>(p.transfers.size());
    auto const result = co_await run(expected);
    auto const known = settle_accounts(notes, p, result, expected);
    auto const after = co_await read_balances(session);
    tell(notes, "after: " + to_text(after));
    if (known && after != expected)
        tell(notes, "WRONG: by what was committed it must be " + to_text(expected));
    co_return after == expected&& result.failed() == 0;
}

asio::awaitable<bool> show_both(support::notebook& notes, mysql_session& session,
                                adapters::mysql_url const& url) {
    part const first{"Two transfers that lock the same accounts in opposite order",
                     {{"A", 1, 2, 30}, {"B", 2, 1, 10}},
                     2,
                     50s};
    part const second{"A transfer that waits for a lock longer than 1 s", {{"C", 1, 2, 25}}, 1, 1s};
    totals count;
    auto const run_first = [&](balances&) { return deadlock(notes, url, first, count); };
    auto const run_second = [&](balances& expected) {
        return lock_wait_timeout(notes, url, second, count, expected);
    };
    auto const first_right = co_await show(notes, session, first, count, run_first);
    auto const second_right = co_await show(notes, session, second, count, run_second);
    using std::to_string;
    notes.report("transaction_retry: transfers", "-",
                 to_string(count.committed) + " of " + to_string(count.transfers) +
                     " committed; errors 1213: " + to_string(count.deadlocks) +
                     ", 1205: " + to_string(count.lock_timeouts) + "; retries: " + to_string(count.retries));
    co_return first_right&& second_right;
}

asio::awaitable<void> create_table(mysql_session& session) {
    try {
        co_await session.execute(
            "CREATE TABLE fanout_accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE = InnoDB");
    } catch (boost::system::system_error const& e) {
        if (e.code() != mysql::common_server_errc::er_table_exists_error)
            throw;
        throw std::runtime_error(
            "there is a table fanout_accounts already, which this program will not touch; if "
            "it was left by a run that was killed, drop it");
    }
}

} // namespace

asio::awaitable<bool> show_retries(support::notebook& notes, adapters::mysql_url url) {
    auto const session = co_await open_session(url);
    co_await session->execute("SET SESSION lock_wait_timeout = 10"); // for DROP TABLE: the default is a day
    co_await create_table(*session);
    auto right = false;
    std::exception_ptr failure;
    try {
        co_await session->execute("INSERT INTO fanout_accounts VALUES (1, 100), (2, 100)");
        right = co_await show_both(notes, *session, url);
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        co_await session->execute("DROP TABLE fanout_accounts");
    } catch (std::exception const& e) {
        if (!failure)
            throw std::runtime_error("could not drop the table fanout_accounts: " + adapters::describe(e));
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return right;
}

} // namespace bank
