// SPDX-License-Identifier: BSL-1.0
#pragma once

// Downloads pages, with retries. The clock is a template parameter, the only thing done for the tests' sake.

#include <fanout/limit/window.hpp>
#include <fanout/options.hpp>
#include <fanout/retry_rejected.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// What a server is like: slow, unreliable, and closed for a while.
template <class Clock>
struct server {
    typename Clock::duration answers_after = 200ms;
    double drops = 0; ///< the share of connections that it drops
    typename Clock::time_point closed_until = {};
    std::uint32_t seed = 1; ///< of the drops
};

// [client]
/// Asks a server for pages. This one pretends: where a real one waits for its socket, it waits for a timer.
template <class Clock = std::chrono::steady_clock>
class client {
public:
    explicit client(server<Clock> const& s) : server_(s), random_(s.seed) {}

    asio::awaitable<std::string> fetch(std::string const& url) {
        asio::basic_waitable_timer<Clock> answer(co_await asio::this_coro::executor, server_.answers_after);
        co_await answer.async_wait(asio::deferred);
        if (Clock::now() < server_.closed_until) {
            throw boost::system::system_error(asio::error::connection_refused);
        }
        if (std::bernoulli_distribution(server_.drops)(random_)) {
            throw boost::system::system_error(asio::error::connection_reset);
        }
        co_return "the page at " + url;
    }

private:
    server<Clock> server_;
    std::minstd_rand random_;
};
// [/client]

// [download]
/// Downloads all pages, eight at a time. Patient: a server may be closed for hours.
template <class Clock, class Generator>
asio::awaitable<std::vector<std::string>> download(client<Clock>& from, std::vector<std::string> const& urls,
                                                   Generator& random) {
    auto const fetch = [&from](std::string const& url) { return from.fetch(url); };
    auto pages = co_await fanout::retry_rejected(
        urls, fetch, fanout::limit(8),
        fanout::retry_policy{.max_attempts = 1000, .backoff = fanout::exponential{.base = 1s, .cap = 30min}},
        fanout::basic_options<Clock>{.attempt_timeout = 30s, .deadline = 6h}, fanout::jitter_from(random));
    co_return std::move(pages).values();
}
// [/download]
