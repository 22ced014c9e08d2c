// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the unit tests share: a clock that stands still, children that are completed by hand, and a fan-out that
// runs in a coroutine. Nothing here waits.

#include <fanout/testing/virtual_clock.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace test {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

/// A clock that moves only when a test moves it.
using manual_clock = fanout::testing::virtual_clock;

/// A child that a test ends by hand; remembers what it was asked.
class gate {
public:
    explicit gate(asio::any_io_executor ex) : ex_(std::move(ex)) {}

    template <class Token>
    auto wait(Token&& token) {
        return asio::async_initiate<Token, void(error_code)>(
            [this](auto handler) {
                auto slot = asio::get_associated_cancellation_slot(handler);
                handler_ = std::move(handler);
                ++waits;
                if (slot.is_connected()) {
                    slot.assign([this](asio::cancellation_type type) {
                        ++cancels;
                        last_cancel = type;
                        if (heeds) {
                            open(asio::error::operation_aborted);
                        }
                    });
                }
            },
            token);
    }

    /// Ends the wait, by way of the event loop.
    void open(error_code e = {}) {
        if (handler_) {
            asio::post(ex_, [h = std::move(handler_), e]() mutable {
                auto const ex = asio::get_associated_executor(h);
                asio::dispatch(ex, [h = std::move(h), e]() mutable { std::move(h)(e); });
            });
        }
    }

    /// Ends the wait on the spot, as a few operations do when they are cancelled.
    void open_inline(error_code e = {}) {
        if (handler_) {
            std::exchange(handler_, nullptr)(e);
        }
    }

    bool waiting() const { return static_cast<bool>(handler_); }

    bool heeds = true; ///< ends when it is cancelled
    int waits = 0;
    int cancels = 0;
    asio::cancellation_type last_cancel = asio::cancellation_type::none;

private:
    asio::any_io_executor ex_;
    asio::any_completion_handler<void(error_code)> handler_;
};

/// What became of an operation that `launch` started.
template <class R>
struct launched {
    bool done = false;
    std::exception_ptr error;
    std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;

    /// The message of what it threw, or "".
    std::string message() const {
        try {
            if (error) {
                std::rethrow_exception(error);
            }
        } catch (std::exception const& e) {
            return e.what();
        } catch (...) {
            return "unknown";
        }
        return "";
    }

    error_code code() const {
        try {
            if (error) {
                std::rethrow_exception(error);
            }
        } catch (boost::system::system_error const& e) {
            return e.code();
        } catch (...) {
        }
        return {};
    }
};

template <class Op>
using result_of = asio::completion_signature_of_t<Op>;
template <class Signature>
struct value_of_signature;
template <class R>
struct value_of_signature<void(std::exception_ptr, R)> {
    using type = R;
};
template <>
struct value_of_signature<void(std::exception_ptr)> {
    using type = void;
};

template <class Op, class R>
asio::awaitable<void> await_operation(Op op, std::shared_ptr<launched<R>> to) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
        if constexpr (std::is_void_v<R>) {
            co_await std::move(op);
            to->value.emplace();
        } else {
            to->value.emplace(co_await std::move(op));
        }
    } catch (...) {
        to->error = std::current_exception();
    }
    to->done = true;
}

/// Awaits a combinator's operation in a coroutine on `where`; the caller polls.
template <class Where, class Op>
auto launch(Where&& where, Op op, asio::cancellation_slot slot = {}) {
    using R = typename value_of_signature<result_of<Op>>::type;
    auto to = std::make_shared<launched<R>>();
    asio::co_spawn(where, await_operation<Op, R>(std::move(op), to),
                   asio::bind_cancellation_slot(slot, asio::detached));
    return to;
}

inline void poll(asio::io_context& context) {
    context.restart();
    context.poll();
}

/// Launches, and runs the context until it has nothing more to do.
template <class Op>
auto run(asio::io_context& context, Op op) {
    auto to = launch(context, std::move(op));
    context.restart();
    context.run();
    if (!to->done) {
        throw std::logic_error("the fan-out did not complete");
    }
    return to;
}

/// An operation of one's own: `initiation(handler)` starts it.
template <class Signature, class Initiation>
auto make_operation(Initiation initiation) {
    return asio::async_initiate<asio::deferred_t const, Signature>(std::move(initiation), asio::deferred);
}

inline asio::awaitable<void> turn() { co_await asio::post(asio::deferred); }

} // namespace test
