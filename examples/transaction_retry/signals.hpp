// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the transactions of the example wait for, so that they collide each time it is run. For one thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <utility>

namespace bank {

namespace asio = boost::asio;

// Lets nobody pass until it is opened, and everybody from then on.
class gate {
public:
    explicit gate(asio::any_io_executor executor)
        : opening_(std::move(executor), asio::steady_timer::time_point::max()) {}

    void open() {
        open_ = true;
        opening_.cancel();
    }

    asio::awaitable<void> pass() {
        while (!open_) { // a caller that was cancelled itself leaves by what the second co_await throws
            boost::system::error_code woken;
            co_await opening_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        }
    }

private:
    asio::steady_timer opening_;
    bool open_ = false;
};

// Opens when so many have come. Who comes later, as with a second attempt, passes.
class rendezvous {
public:
    rendezvous(asio::any_io_executor executor, std::size_t expected)
        : gate_(std::move(executor)), expected_(expected) {}

    asio::awaitable<void> arrive() {
        if (++arrived_ >= expected_)
            gate_.open();
        return gate_.pass();
    }

    // Somebody will not come.
    void call_off() { gate_.open(); }

private:
    gate gate_;
    std::size_t expected_;
    std::size_t arrived_ = 0;
};

} // namespace bank
