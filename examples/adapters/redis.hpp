// SPDX-License-Identifier: BSL-1.0
#pragma once
// A Redis session over hiredis. No TLS.

#include "redis_link.hpp"
#include "redis_url.hpp"
#include "timeout.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapters {

namespace asio = boost::asio;

namespace detail {

inline std::string to_word(std::string_view text) { return std::string(text); }
inline std::string to_word(std::integral auto number) { return std::to_string(number); }

} // namespace detail

// For one thread or strand: that of the coroutine which connects it. While it is open, it keeps its context running.
class redis_session {
public:
    explicit redis_session(redis_url url)
        : url_(std::move(url)), where_("Redis at " + url_.host + ':' + std::to_string(url_.port)) {}
    redis_session(redis_session const&) = delete;
    redis_session& operator=(redis_session const&) = delete;
    ~redis_session() { close(); }

    // Connects, logs in, and selects the database, or throws: system_error where the server cannot be reached,
    // redis_error where it refuses. Both name host and port, and never hold the password.
    asio::awaitable<void> connect(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        auto attempt = open();
        co_await with_timeout(std::move(attempt), limit, where_);
    }

    // Sends one command when it is awaited; each argument is a string or an integer, and arrives as it is. Commands that
    // are awaited side by side are pipelined, in the order in which they began. An error in an array, as EXEC may have,
    // is thrown as well. One that is cancelled before its reply has come closes the connection, for all.
    template <class... Args>
    asio::awaitable<redis_reply> command(std::string_view name, Args const&... args) {
        refuse_many_replies(name);
        return send({std::string(name), detail::to_word(args)...});
    }

    bool is_open() const { return link_ && link_->is_open(); }

    void close() noexcept {
        if (link_)
            link_->close({asio::error::not_connected, "closed"});
    }

private:
    using link = detail::redis_link;

    // hiredis calls back more than once for these, and here nobody would be there any more.
    static void refuse_many_replies(std::string_view name) {
        std::string lower;
        for (char const c : name)
            lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        if (lower == "monitor" || lower.ends_with("subscribe"))
            throw std::invalid_argument("adapters::redis_session: " + lower + " has more than one reply");
    }

    asio::awaitable<redis_reply> send(std::vector<std::string> words) {
        if (!link_)
            throw boost::system::system_error(asio::error::not_connected, where_);
        link::exchange e(link_, co_await asio::this_coro::executor);
        link_->send(words, e);
        co_return co_await e.answer();
    }

    asio::awaitable<void> open() {
        close();
        auto const executor = co_await asio::this_coro::executor;
        boost::system::error_code error;
        asio::ip::tcp::resolver resolver(executor);
        auto const found = co_await resolver.async_resolve(url_.host, std::to_string(url_.port),
                                                           asio::redirect_error(asio::use_awaitable, error));
        if (error)
            throw boost::system::system_error(error, "cannot resolve the host of " + where_);
        std::exception_ptr failure;
        for (auto const& candidate : found) { // a name may have an IPv6 and an IPv4 address
            link_ = std::make_shared<link>(executor, where_);
            link::exchange connecting(link_, executor);
            link_->open(candidate.endpoint().address().to_string(), url_.port, connecting);
            try {
                co_await connecting.answer();
                failure = nullptr;
                break;
            } catch (boost::system::system_error const& e) {
                if (e.code() == asio::error::operation_aborted)
                    throw;
                failure = std::current_exception();
            }
        }
        if (failure)
            std::rethrow_exception(failure);
        try {
            co_await log_in();
        } catch (...) {
            close();
            throw;
        }
    }

    asio::awaitable<void> log_in() {
        if (url_.password) {
            try {
                if (url_.user.empty())
                    co_await command("AUTH", *url_.password);
                else
                    co_await command("AUTH", url_.user, *url_.password);
            } catch (redis_error const& e) {
                // A server without AUTH quotes its arguments.
                if (std::string_view(e.what()).find("unknown command") != std::string_view::npos)
                    throw redis_error(where_ + ": the server knows no AUTH");
                throw;
            }
        }
        co_await command("SELECT", url_.database); // whichever it is: the answer shows that we may use it
    }

    redis_url url_;
    std::string where_; // for messages
    std::shared_ptr<link> link_;
};

} // namespace adapters
