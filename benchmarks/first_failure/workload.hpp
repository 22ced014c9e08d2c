// SPDX-License-Identifier: BSL-1.0
#pragma once

// First failure: n children wait for answers that never come, then one of them is refused. The time is that
// from the refusal until the fan-out has returned, every other child cancelled and ended; the instructions are
// those of all.

#include "../support/children.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace first_failure {

namespace asio = boost::asio;
using bench::children::concrete;
using bench::children::inputs;
using boost::system::error_code;

/// What the one child that fails is told.
inline error_code refused() { return asio::error::connection_refused; }

/// Calls that wait for their answers, as a client has them that sends many over one connection: each ends when
/// it is answered or cancelled. Once all n wait, the one in the middle is refused. (No timers: the fan-out is
/// what is to be measured, not their heap.)
class pending_calls {
public:
    using clock = std::chrono::steady_clock;

    pending_calls(asio::any_io_executor executor, std::size_t n)
        : executor_(std::move(executor)), work_(executor_), calls_(n) {}

    /// An operation that ends when call i is answered, or is cancelled.
    auto call(std::size_t i) {
        return asio::async_initiate<asio::deferred_t const, void(error_code)>(initiate{this}, asio::deferred,
                                                                              i);
    }

    std::size_t size() const noexcept { return calls_.size(); }
    std::size_t waiting() const noexcept { return waiting_; }
    std::size_t started() const noexcept { return started_; }
    clock::time_point refused_at() const noexcept { return refused_at_; }

private:
    using handler = asio::any_completion_handler<void(error_code)>;

    struct initiate {
        pending_calls* self;
        void operator()(auto&& h, std::size_t i) const {
            self->wait(i, handler(std::forward<decltype(h)>(h)));
        }
    };

    void wait(std::size_t i, handler h) {
        auto slot = asio::get_associated_cancellation_slot(h);
        if (slot.is_connected()) {
            slot.assign([this, i](asio::cancellation_type) { answer(i, asio::error::operation_aborted); });
        }
        calls_[i] = std::move(h);
        ++started_;
        if (++waiting_ == calls_.size()) {
            asio::post(executor_, [this] {
                refused_at_ = clock::now();
                answer(calls_.size() / 2, refused());
            });
        }
    }

    void answer(std::size_t i, error_code e) {
        if (auto h = std::exchange(calls_[i], nullptr)) {
            asio::post(executor_, asio::append(std::move(h), e));
            if (--waiting_ == 0) {
                work_.reset();
            }
        }
    }

    asio::any_io_executor executor_;
    asio::executor_work_guard<asio::any_io_executor> work_;
    std::vector<handler> calls_;
    std::size_t waiting_ = 0;
    std::size_t started_ = 0;
    clock::time_point refused_at_{};
};

inline asio::awaitable<void> child(pending_calls& calls, std::size_t i) { co_await calls.call(i); }

/// The code of what was thrown.
inline error_code error_of(std::exception_ptr const& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (boost::system::system_error const& e) {
        return e.code();
    }
}

/// How a child tells that it failed: "first_failure/<contender>@exception", or "@operation". `FanOut(calls)` is
/// a coroutine that makes all calls at once, and returns the error that is reported to it.
template <auto FanOut>
struct way {
    way(std::string const& contender, std::string const& name) {
        bench::contender("first_failure/" + contender + '@' + name,
                         {.floor = "first_failure/handlers@operation", .time = bench::time_by::run_itself},
                         run);
    }

private:
    static void run(std::size_t n) {
        asio::io_context context(1);
        pending_calls calls(context.get_executor(), n);
        bench::run_in(context, checked(calls));
    }

    using executor_type = typename decltype(FanOut(std::declval<pending_calls&>()))::executor_type;

    static asio::awaitable<void, executor_type> checked(pending_calls& calls) {
        auto const reported = co_await FanOut(calls);
        bench::took(pending_calls::clock::now() - calls.refused_at());
        bench::require(calls.started() == calls.size(), "each child was in flight");
        bench::require(calls.waiting() == 0, "none is in flight any more");
        bench::require(reported == refused(), "the first failure is reported, not a cancellation");
    }
};

} // namespace first_failure
