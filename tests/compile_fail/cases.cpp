// SPDX-License-Identifier: BSL-1.0

// Wrong calls, one per value of CASE. Each must be refused with the sentence that CMakeLists.txt expects; CASE 0 is a
// right call, to see that the rest of the file is.

#include <fanout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<int> child(int);
struct no_default {
    explicit no_default(int);
};
asio::awaitable<no_default> sealed(int);

asio::awaitable<int> with_name(int, std::string&);
asio::awaitable<std::string> make_name();

/// Limits that calls may share.
struct limits {
    fanout::semaphore memory{4};
    fanout::pool<std::string> names{2, make_name};
    fanout::pool<std::string> other_names{2, make_name};
    fanout::token_budget budget;
};

asio::awaitable<void> call(std::vector<int>& inputs, std::shared_ptr<int> shared, limits& l) {
    [[maybe_unused]] auto const key = [](int i) { return i; };
#if CASE == 0
    auto const named = [shared](int i) { return child(i); };
    co_await fanout::when_all(inputs, named, fanout::limit(2), fanout::options{});
    auto moved = [shared](int i) { return child(i); };
    co_await fanout::when_all(inputs, fanout::named(std::move(moved)));
    co_await fanout::when_all(inputs, [&](int i) { return child(i + *shared); });
    co_await fanout::when_all(inputs, child, l.memory);
    co_await fanout::when_all(child(1), child(2), fanout::all_of(l.memory, fanout::limit(2)));
    co_await fanout::when_all(inputs, with_name, fanout::all_of(l.memory, l.names, fanout::keyed(1, key)));
    co_await fanout::retry_rejected(inputs, child, l.budget, fanout::limit(2));
    co_await fanout::retry([] { return child(1); }, l.budget);
#elif CASE == 1 // GCC 12 would destroy `shared` twice
    co_await fanout::when_all(inputs, [shared](int i) { return child(i); });
#elif CASE == 2
    co_await fanout::when_all(inputs, child, fanout::limit(2), fanout::unlimited);
#elif CASE == 3
    co_await fanout::when_all(inputs, child, std::string("fast, please"));
#elif CASE == 4
    co_await fanout::when_all(inputs, child, fanout::retry_policy{});
#elif CASE == 5
    co_await fanout::when_all(inputs, [](std::string const&) { return child(1); });
#elif CASE == 6
    co_await fanout::when_all(inputs, [](int i) { return i; });
#elif CASE == 7
    co_await fanout::when_all(child(1), sealed(2));
#elif CASE == 8
    std::vector<asio::awaitable<int>> spent;
    co_await fanout::retry_rejected(spent, fanout::retry_policy{});
#elif CASE == 9
    fanout::when_all(inputs, child)([](std::exception_ptr, std::vector<int>) {});
#elif CASE == 10
    co_await fanout::when_all(inputs);
#elif CASE == 11
    fanout::stats st;
    co_await fanout::when_all(inputs, child, st, st);
#elif CASE == 13 // likewise
    auto const named = fanout::retry_if([shared](auto const&) { return *shared > 0; });
#elif CASE == 12
    co_await fanout::when_all(fanout::limit(3));
#elif CASE == 14
    co_await fanout::when_all(inputs, child, fanout::semaphore(3));
#elif CASE == 15
    co_await fanout::when_all(inputs, child, fanout::all_of(fanout::limit(2), fanout::rate(3)));
#elif CASE == 16
    co_await fanout::when_all(inputs, child, l.memory, fanout::keyed(1, key));
#elif CASE == 17
    co_await fanout::when_all(child(1), child(2), fanout::keyed(1, key));
#elif CASE == 18
    co_await fanout::when_all(child(1), child(2), fanout::weighted(l.memory, key));
#elif CASE == 19
    co_await fanout::when_all(child(1), child(2), l.names);
#elif CASE == 20
    co_await fanout::when_all(inputs, child, l.names);
#elif CASE == 21
    co_await fanout::when_all(inputs, [](int, std::string&) { return 1; }, l.names);
#elif CASE == 22
    co_await fanout::when_all(inputs, with_name, fanout::all_of(l.names, l.other_names));
#elif CASE == 23
    co_await fanout::when_all(inputs, child, fanout::all_of(fanout::keyed(1, key), fanout::keyed(2, key)));
#elif CASE == 24
    co_await fanout::when_all(inputs, child, fanout::all_of(l.memory, fanout::options{}));
#elif CASE == 25
    co_await fanout::retry_rejected(inputs, child, fanout::token_budget());
#elif CASE == 26
    co_await fanout::retry_rejected(inputs, child, l.budget, l.budget);
#elif CASE == 27
    co_await fanout::retry(child(1));
#elif CASE == 28
    co_await fanout::retry([] { return child(1); }, fanout::keyed(1, key));
#elif CASE == 29
    co_await fanout::retry([] { return sealed(1); });
#elif CASE == 30
    co_await fanout::when_all(inputs, child, l.budget);
#elif CASE == 31
    fanout::stats const unchanging;
    co_await fanout::when_all(inputs, child, unchanging);
#elif CASE == 32
    fanout::stats const unchanging;
    co_await fanout::when_all(inputs, child, fanout::observe(unchanging));
#endif
    co_return;
}
