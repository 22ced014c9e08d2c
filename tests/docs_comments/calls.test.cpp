// SPDX-License-Identifier: BSL-1.0
// The code of docs/reference, first half: the combinators, what they take, and what they complete with.

#include <fanout.hpp>

#include "run.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct row {
    int id;
};

/// Writes a row; the first time only where its id is even.
class table {
public:
    asio::awaitable<int> write(row const& r) {
        if (attempts_[r.id]++ == 0 && r.id % 2 == 1) {
            throw boost::system::system_error(
                make_error_code(boost::system::errc::resource_unavailable_try_again));
        }
        co_return r.id;
    }

private:
    std::map<int, int> attempts_;
};

asio::awaitable<int> fetch_size(std::string const& url) { co_return static_cast<int>(url.size()); }
asio::awaitable<std::string> find_user(int id) { co_return "user " + std::to_string(id); }
asio::awaitable<int> count_orders(int id) { co_return id + 1; }

asio::awaitable<void> all() {
    std::vector<std::string> const urls{"/a", "/bc"};
    auto const id = 7;
    // [when_all]
    std::vector<int> sizes = co_await fanout::when_all(urls, fetch_size, fanout::limit(16));
    auto both = co_await fanout::when_all(find_user(id), count_orders(id));
    auto& [user, orders] = both;
    // [/when_all]
    CHECK(sizes == std::vector{2, 3});
    CHECK(user == "user 7");
    CHECK(orders == 8);

    // [named]
    auto prefix = std::make_shared<std::string>("https://example.org");
    auto with_prefix = [prefix](std::string const& path) { return fetch_size(*prefix + path); };
    auto longer = co_await fanout::when_all(urls, fanout::named(std::move(with_prefix)), fanout::limit(16));
    // [/named]
    CHECK(longer == std::vector{21, 22});
}

asio::awaitable<void> settled(std::ostream& out) {
    table t;
    std::vector<row> const rows{{1}, {2}};
    auto const write = [&t](row const& r) { return t.write(r); };
    // [when_all_settled]
    auto outcomes = co_await fanout::when_all_settled(rows, write, fanout::limit(64));
    for (auto const& o : outcomes) {
        if (!o) {
            out << to_string(fanout::state_of(o)) << ": " << o.error().message() << '\n';
        }
    }
    // [/when_all_settled]
    // [outcome]
    std::vector<row> unknown, to_do;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        switch (fanout::state_of(outcomes[i])) {
        case fanout::state::fulfilled: break;
        case fanout::state::not_started: to_do.push_back(rows[i]); break; // no effect: safe to run again
        case fanout::state::rejected:                                     // as its error says
        case fanout::state::timed_out:
        case fanout::state::cancelled: unknown.push_back(rows[i]); break; // look before you write again
        }
    }
    // [/outcome]
    CHECK(unknown.size() == 1);
    CHECK(to_do.empty());
}

asio::awaitable<void> retried(std::ostream& out) {
    table t;
    std::vector<row> const rows{{1}, {2}, {3}};
    auto const write = [&t](row const& r) { return t.write(r); };
    using fanout::retry_policy;
    // [retry_rejected]
    auto r = co_await fanout::retry_rejected(
        rows, write, retry_policy{.max_attempts = 4, .backoff = fanout::constant{1ms}}, fanout::limit(64));
    out << r.retries() << " retries, " << r.failed() << " failed for good\n";
    std::vector<int> ids =
        std::move(r).values(); // throws a rejected_error that lists every index that failed
    // [/retry_rejected]
    CHECK(ids == std::vector{1, 2, 3});

    // [retry]
    auto const user = co_await fanout::retry([] { return find_user(7); }, retry_policy{.max_attempts = 5});
    // [/retry]
    CHECK(user == "user 7");
}

asio::awaitable<void> failed(std::ostream& out) {
    table t;
    std::vector<row> const rows{{1}, {2}};
    auto const write = [&t](row const& r) { return t.write(r); };
    // [error]
    auto r = co_await fanout::retry_rejected(rows, write, fanout::retry_policy{.max_attempts = 1});
    try {
        std::move(r).values();
    } catch (fanout::rejected_error const& e) {
        for (fanout::failure const& f : e.failures()) {
            out << "row " << rows[f.index].id << ": " << f.error.message() << '\n';
        }
    }
    // [/error]
}

asio::awaitable<void> timed() {
    std::vector<std::string> const urls{"/a", "/bc"};
    // [options]
    auto sizes = co_await fanout::when_all(urls, fetch_size, fanout::limit(16),
                                           fanout::options{.attempt_timeout = 2s, .deadline = 14min});
    // [/options]
    CHECK(sizes.size() == 2);

    std::atomic<int> sum = 0;
    auto const checksum = [&sum](std::string const& file) -> asio::awaitable<void> {
        sum += static_cast<int>(file.size());
        co_return;
    };
    auto const& files = urls;
    // [on]
    asio::thread_pool threads(2);
    co_await fanout::when_all(files, checksum, fanout::limit(2), fanout::on(threads)); // in parallel
    // [/on]
    CHECK(sum == 5);
}

} // namespace

// [concepts]
static_assert(fanout::child<asio::awaitable<int>>);
static_assert(fanout::child<decltype(std::declval<asio::steady_timer&>().async_wait(asio::deferred))>);
static_assert(!fanout::child<int>);
// What is awaited is the value within an outcome.
static_assert(std::same_as<fanout::child_value_t<asio::awaitable<fanout::settled<int>>>, int>);
// [/concepts]

// [version]
#if FANOUT_VERSION < 100 // 0.1.0
#error "this program needs fanout 0.1.0"
#endif
// [/version]

TEST_CASE("the reference's calls do what the pages say") {
    std::ostringstream out;
    run(all());
    run(settled(out));
    run(retried(out));
    run(failed(out));
    run(timed());
    CHECK(out.str() == "rejected: Resource temporarily unavailable\n"
                       "2 retries, 0 failed for good\n"
                       "row 1: Resource temporarily unavailable\n");
}
