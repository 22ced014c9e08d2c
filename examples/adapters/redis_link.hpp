// SPDX-License-Identifier: BSL-1.0
#pragma once
// One connection to a Redis: hiredis' asynchronous interface (0.14 or 1.x) with Asio as its event loop.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <hiredis/async.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace adapters {

namespace asio = boost::asio;

// The server's answer was an error.
class redis_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Nil, an integer, a string (a status too, as "OK"), or an array of these. The accessors throw
// std::bad_variant_access for another kind.
struct redis_reply {
    using array = std::vector<redis_reply>;
    std::variant<std::monostate, std::int64_t, std::string, array> value;

    bool is_nil() const { return value.index() == 0; }
    std::int64_t integer() const { return std::get<std::int64_t>(value); }
    std::string const& text() const { return std::get<std::string>(value); }
    array const& elements() const { return std::get<array>(value); }
};

namespace detail {

inline redis_reply to_value(redisReply const& reply) {
    redis_reply out;
    switch (reply.type) {
    case REDIS_REPLY_NIL: break;
    case REDIS_REPLY_INTEGER: out.value = std::int64_t{reply.integer}; break;
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_STRING: out.value = std::string(reply.str, reply.len); break;
    case REDIS_REPLY_ARRAY: {
        auto& elements = out.value.emplace<redis_reply::array>();
        for (std::size_t i = 0; i < reply.elements; ++i)
            elements.push_back(to_value(*reply.element[i]));
        break;
    }
    case REDIS_REPLY_ERROR: throw redis_error(std::string(reply.str, reply.len));
    default: throw redis_error("a reply of the unknown type " + std::to_string(reply.type));
    }
    return out;
}

// One connection, and what waits for it. hiredis must not be re-entered from its callbacks, nor the context freed
// there: they only take notes and wake coroutines, which run later.
class redis_link : public std::enable_shared_from_this<redis_link> {
public:
    // What a coroutine waits for: the connection, or a reply. It lives in the coroutine's frame. Where that ends
    // without an answer, cancelled or destroyed, so does the connection: nobody would know whose reply comes next.
    class exchange {
    public:
        exchange(std::shared_ptr<redis_link> link, asio::any_io_executor executor)
            : link_(std::move(link)), answered_(std::move(executor), asio::steady_timer::time_point::max()) {}
        exchange(exchange const&) = delete;
        exchange& operator=(exchange const&) = delete;
        ~exchange() {
            if (!done_)
                link_->close(
                    {asio::error::connection_aborted, "closed, since a command on it was cancelled"});
        }

        void end(redis_reply reply, std::exception_ptr failure) {
            reply_ = std::move(reply);
            failure_ = std::move(failure);
            done_ = true;
            answered_.cancel();
        }

        asio::awaitable<redis_reply> answer() {
            boost::system::error_code woken;
            if (!done_)
                co_await answered_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
            if (!done_) // the coroutine was cancelled
                throw boost::system::system_error(asio::error::operation_aborted, link_->where_);
            if (failure_)
                std::rethrow_exception(failure_);
            co_return std::move(reply_);
        }

    private:
        std::shared_ptr<redis_link> link_;
        asio::steady_timer
            answered_; // cancelled when the answer is there; so Asio knows of the waiting frame
        redis_reply reply_;
        std::exception_ptr failure_;
        bool done_ = false;
    };

    struct reason {
        boost::system::error_code code;
        std::string text;
    };

    redis_link(asio::any_io_executor executor, std::string where)
        : where_(std::move(where)), descriptor_(std::move(executor)) {
        // hiredis writes without MSG_NOSIGNAL: a connection that is gone would end the program.
        if (auto const before = std::signal(SIGPIPE, SIG_IGN); before != SIG_DFL)
            std::signal(SIGPIPE, before);
    }
    redis_link(redis_link const&) = delete;
    redis_link& operator=(redis_link const&) = delete;
    ~redis_link() { close({asio::error::not_connected, "closed"}); }

    bool is_open() const { return context_ != nullptr; }

    // Begins to connect to an address, not a name: for that hiredis would ask the resolver, and block.
    void open(std::string const& address, std::uint16_t port, exchange& connecting) {
        context_ = redisAsyncConnect(address.c_str(), port);
        if (context_ == nullptr)
            throw std::bad_alloc();
        context_->data = this;
        if (context_->c.err != 0) {
            note(context_->c);
            redisAsyncFree(std::exchange(context_, nullptr));
            connecting.end({}, failure());
            return;
        }
        connecting_ = &connecting;
        descriptor_.assign(context_->c.fd);
        context_->ev.data = this;
        context_->ev.addRead = [](void* self) { static_cast<redis_link*>(self)->want(reading, true); };
        context_->ev.delRead = [](void* self) { static_cast<redis_link*>(self)->want(reading, false); };
        context_->ev.addWrite = [](void* self) { static_cast<redis_link*>(self)->want(writing, true); };
        context_->ev.delWrite = [](void* self) { static_cast<redis_link*>(self)->want(writing, false); };
        context_->ev.cleanup = [](void* self) { static_cast<redis_link*>(self)->let_go(); };
        redisAsyncSetConnectCallback(context_, [](redisAsyncContext const* context, int status) {
            auto& self = *static_cast<redis_link*>(context->data);
            if (status != REDIS_OK)
                self.note(context->c);
            if (auto* const e = std::exchange(self.connecting_, nullptr))
                e->end({}, status == REDIS_OK ? nullptr : self.failure());
        });
    }

    // Queues a command, whose reply `e` gets.
    void send(std::vector<std::string> const& words, exchange& e) {
        std::vector<char const*> texts;
        std::vector<std::size_t> lengths;
        for (auto const& word : words) {
            texts.push_back(word.data());
            lengths.push_back(word.size());
        }
        auto const count = static_cast<int>(words.size());
        if (!is_open() ||
            redisAsyncCommandArgv(context_, on_reply, &e, count, texts.data(), lengths.data()) != REDIS_OK)
            e.end({}, failure());
    }

    // What waits fails with the first reason that there was.
    void close(reason why) noexcept {
        if (context_ == nullptr)
            return;
        note(std::move(why));
        redisAsyncFree(std::exchange(context_, nullptr)); // calls back those who wait
        if (auto* const e = std::exchange(connecting_, nullptr))
            e->end({}, failure());
    }

private:
    enum direction { reading, writing };

    static void on_reply(redisAsyncContext* context, void* reply, void* asked) {
        auto& self = *static_cast<redis_link*>(context->data);
        auto& e = *static_cast<exchange*>(asked);
        if (reply == nullptr) { // the context is being freed
            self.note(context->c);
            return e.end({}, self.failure());
        }
        try {
            e.end(to_value(*static_cast<redisReply const*>(reply)), nullptr);
        } catch (redis_error const& error) {
            e.end({}, std::make_exception_ptr(redis_error(self.where_ + ": " + error.what())));
        } catch (...) {
            e.end({}, std::current_exception());
        }
    }

    // hiredis wants to be told, again and again, until it says otherwise.
    void want(direction d, bool yes) {
        wanted_[d] = yes;
        if (!yes || waiting_[d])
            return;
        waiting_[d] = true;
        auto const kind =
            d == reading ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
        descriptor_.async_wait(kind, [self = shared_from_this(), d](boost::system::error_code const& error) {
            self->waiting_[d] = false;
            if (error)
                return self->close({error, ""});
            if (self->context_ == nullptr || !self->wanted_[d])
                return;
            (d == reading ? redisAsyncHandleRead : redisAsyncHandleWrite)(self->context_);
            if (self->context_ != nullptr && self->wanted_[d])
                self->want(d, true);
        });
    }

    // hiredis is about to close the socket, so the reactor must have forgotten it.
    void let_go() {
        if (context_ != nullptr)
            note(context_->c);
        context_ = nullptr;
        if (descriptor_.is_open())
            descriptor_.release();
    }

    void note(reason why) {
        if (!reason_.code)
            reason_ = std::move(why);
    }

    void note(redisContext const& c) {
        int const number = errno; // hiredis promises that it is the cause of REDIS_ERR_IO
        if (c.err == 0)
            return note(reason{asio::error::not_connected, "closed"});
        if (c.err == REDIS_ERR_IO && number != 0)
            return note(reason{{number, boost::system::system_category()}, ""});
        boost::system::error_code code = asio::error::connection_reset;
        if (c.err == REDIS_ERR_EOF)
            code = asio::error::eof;
        note(reason{code, c.errstr});
    }

    std::exception_ptr failure() const {
        return std::make_exception_ptr(boost::system::system_error(
            reason_.code, reason_.text.empty() ? where_ : where_ + ": " + reason_.text));
    }

    std::string where_;
    asio::posix::stream_descriptor descriptor_;
    redisAsyncContext* context_ = nullptr;
    exchange* connecting_ = nullptr;
    reason reason_; // why it is closed
    bool wanted_[2] = {};
    bool waiting_[2] = {};
};

} // namespace detail

} // namespace adapters
