// SPDX-License-Identifier: BSL-1.0
// The code that docs/how-to shows of limits and retries in a service, compiled and run: the parts between `// [name]` and
// `// [/name]`. The servers here are pretended ones, slow as a network.

#include <fanout.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

void check(bool holds, char const* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

asio::awaitable<void> network() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
}

// How many calls each backend sees at once, at most.
class backend {
public:
    asio::awaitable<int> ask(std::string const& item) {
        most_at_once_ = (std::max)(most_at_once_, ++now_);
        co_await network();
        --now_;
        co_return static_cast<int>(item.size());
    }

    int most_at_once() const { return most_at_once_; }

private:
    int now_ = 0;
    int most_at_once_ = 0;
};

using items = std::vector<std::string>;

// [service]
class shop {
public:
    explicit shop(backend& stock) : stock_(stock) {}

    // A request: one call to the backend per item. `until` is when its own caller gives up.
    asio::awaitable<std::vector<int>> in_stock(items const& wanted,
                                               std::chrono::steady_clock::time_point until) {
        auto const ask = [this](std::string const& item) { return stock_.ask(item); };
        fanout::options const times{.attempt_timeout = 500ms, .deadline = until};
        co_return co_await fanout::when_all(wanted, ask, calls_, times);
    }
    // [/service]

    // Takes all that may be asked at once.
    auto occupy() { return calls_.async_acquire(64); }

    asio::awaitable<std::size_t> in_stock_fairly(items const& wanted) {
        auto const ask = [this](std::string const& item) { return stock_.ask(item); };
        // [own-window]
        auto outcomes = co_await fanout::when_all_settled(
            wanted, ask, fanout::all_of(fanout::limit(8), calls_, calls_per_second_));
        // [/own-window]
        co_return outcomes.size();
    }

    asio::awaitable<int> one(std::string const& item) {
        // [one-call]
        auto permit = co_await calls_.async_acquire(); // given back when it is destroyed
        co_return co_await stock_.ask(item);
        // [/one-call]
    }

    asio::awaitable<std::size_t> patiently(items const& wanted) {
        auto const ask = [this](std::string const& item) { return stock_.ask(item); };
        // [budget]
        auto results =
            co_await fanout::retry_rejected(wanted, ask, fanout::retry_policy{.max_attempts = 3}, calls_,
                                            retries_, fanout::options{.attempt_timeout = 500ms});
        // [/budget]
        co_return results.retries();
    }

    // [members]
private:
    backend& stock_;
    fanout::semaphore calls_{64};            // what this process may ask of the backend at once
    fanout::rate calls_per_second_{500, 50}; // and in a second, where there is such a quota
    fanout::token_budget retries_;           // for all calls to this backend
};
// [/members]

asio::awaitable<void> service() {
    backend stock;
    shop service(stock);
    items const wanted(100, "an item");
    auto const until = std::chrono::steady_clock::now() + 1min;
    auto both = co_await fanout::when_all(service.in_stock(wanted, until), service.in_stock(wanted, until));
    check(std::get<0>(both).size() == 100 && stock.most_at_once() == 64, "64 at once, of both together");
    backend other;
    shop fair(other);
    check(co_await fair.in_stock_fairly(wanted) == 100 && other.most_at_once() == 8, "8 at once");
    check(co_await service.one("an item") == 7, "one");
    check(co_await service.patiently(wanted) == 0, "nothing was rejected");
    auto const all = co_await service.occupy();
    auto too_late = false;
    try {
        co_await service.in_stock(wanted, std::chrono::steady_clock::now() + 5ms);
    } catch (boost::system::system_error const& e) {
        too_late = e.code() == fanout::errc::timed_out;
    }
    check(too_late, "the deadline ends a request that waits in the line");
}

struct file {
    std::string name;
    std::size_t mebibytes;
};

asio::awaitable<void> shared() {
    backend b;
    items const nightly(200, "report");
    items const request(4, "page");
    auto const fetch = [&](std::string const& item) { return b.ask(item); };
    // [shared]
    fanout::semaphore connections(16);
    auto both = co_await fanout::when_all(fanout::when_all_settled(nightly, fetch, connections),
                                          fanout::when_all_settled(request, fetch, connections));
    // [/shared]
    check(std::get<1>(both).size() == 4 && b.most_at_once() == 16, "16 at once, of both together");

    std::size_t in_memory = 0;
    std::size_t most = 0;
    std::vector<file> const files{{"a", 100}, {"b", 300}, {"c", 200}, {"d", 900}};
    auto const load = [&](file const& f) -> asio::awaitable<void> {
        in_memory += f.mebibytes;
        most = (std::max)(most, in_memory);
        co_await network();
        in_memory -= f.mebibytes;
    };
    // [weighted]
    fanout::semaphore memory(512); // MiB
    auto const size = [](file const& f) { return f.mebibytes; };
    co_await fanout::when_all(files, load, fanout::weighted(memory, size));
    // [/weighted]
    check(most == 900, "the one that is larger than all there is ran alone");
}

struct invoice {
    std::string number;
    int cents;
};

// Books what it is asked to, each token once. At first the answers get lost: the charge is booked, its caller sees an
// error.
class payments {
public:
    explicit payments(int lost_answers) : lost_answers_(lost_answers) {}

    asio::awaitable<void> charge(invoice const& i, std::string token) {
        co_await network();
        if (seen_.emplace(token, i.number).second) {
            booked_ += i.cents;
        }
        if (lost_answers_ > 0) {
            --lost_answers_;
            throw boost::system::system_error(asio::error::connection_reset);
        }
    }

    int booked() const { return booked_; }

private:
    int lost_answers_;
    int booked_ = 0;
    std::map<std::string, std::string> seen_;
};

asio::awaitable<void> retries() {
    std::vector<invoice> const invoices{{"2026-001", 100}, {"2026-002", 200}, {"2026-003", 300}};
    payments bank(2);
    // [token]
    auto const charge = [&](invoice const& i, fanout::attempt const& a) {
        return bank.charge(i, a.token.to_string()); // the same token in each attempt for this invoice
    };
    auto results = co_await fanout::retry_rejected(invoices, charge, fanout::retry_policy{.max_attempts = 4});
    // [/token]
    check(results.failures().empty() && results.retries() == 2 && bank.booked() == 600,
          "each was booked once");

    payments again(2);
    auto const charge_again = [&](invoice const& i, fanout::attempt const& a) {
        return again.charge(i,
                            i.number + '/' + std::to_string(a.number)); // no token: each attempt is another
    };
    // [retry-if]
    auto const nothing_happened = [](fanout::settled<void> const& outcome) {
        return outcome.has_error() && outcome.error() == asio::error::connection_refused; // it was never sent
    };
    auto careful =
        co_await fanout::retry_rejected(invoices, charge_again, fanout::retry_if(nothing_happened));
    // [/retry-if]
    check(careful.retries() == 0 && again.booked() == 600, "none was booked twice");
    check(careful.failures().size() == 2, "and what is not known is told");

    // [afterwards]
    std::vector<invoice> to_run; // has had no effect
    std::vector<invoice> to_ask; // may have: look it up before anything else
    for (std::size_t i = 0; i < invoices.size(); ++i) {
        switch (fanout::state_of(careful.outcomes[i])) {
        case fanout::state::fulfilled: break;
        case fanout::state::not_started: to_run.push_back(invoices[i]); break;
        case fanout::state::rejected: // as its error says; here it may be a lost answer
        case fanout::state::timed_out:
        case fanout::state::cancelled: to_ask.push_back(invoices[i]); break;
        }
    }
    // [/afterwards]
    check(to_run.empty() && to_ask.size() == 2, "two answers were lost");
}

asio::awaitable<void> all() {
    co_await service();
    co_await shared();
    co_await retries();
}

int main() {
    std::exception_ptr failure;
    asio::io_context context(1);
    asio::co_spawn(context, all(), [&](std::exception_ptr e) { failure = e; });
    context.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    std::cout << "docs/how-to: all snippets ran\n";
}
