// SPDX-License-Identifier: BSL-1.0
#pragma once
// Asio's timer for simulated_clock: an entry in a list, so that no system call is made for it, and what runs an
// io_context from one entry to the next.

#include "simulated_clock.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace lab {

// What waits for its time in one context. Those of the same time come in the order in which they began to wait.
class timeline : public boost::asio::execution_context::service {
public:
    // A completion handler; called by way of its executor, never from where the time moves or somebody cancels.
    class handler {
    public:
        virtual ~handler() = default;
        virtual void complete(boost::system::error_code error) = 0;
    };

    struct key {
        simulated_clock::time_point at;
        std::uint64_t number;
        auto operator<=>(key const&) const = default;
    };

    static inline boost::asio::execution_context::id id;

    explicit timeline(boost::asio::execution_context& context) : service(context) {}

    key add(simulated_clock::time_point at, std::unique_ptr<handler> h) {
        key const k{(std::max)(at, simulated_clock::now()), next_++};
        waiting_.emplace_hint(waiting_.end(), k, std::move(h));
        return k;
    }

    // False where it does not wait any more.
    bool cancel(key const& k) {
        auto node = waiting_.extract(k);
        if (node)
            node.mapped()->complete(boost::asio::error::operation_aborted);
        return static_cast<bool>(node);
    }

    // It is the time of the next one, whose handler may run; false where there is none.
    bool step() {
        if (waiting_.empty())
            return false;
        auto node = waiting_.extract(waiting_.begin());
        simulated_clock::current = node.key().at;
        node.mapped()->complete({});
        return true;
    }

private:
    void shutdown() noexcept override {
        auto const dropped = std::move(waiting_); // what these own may cancel others: it finds nothing
        waiting_.clear();
    }

    std::map<key, std::unique_ptr<handler>> waiting_;
    std::uint64_t next_ = 0;
};

} // namespace lab

// As the class that it stands in for, with what fanout and the lab use of that; one wait at a time.
template <class Executor>
class boost::asio::basic_waitable_timer<lab::simulated_clock, boost::asio::wait_traits<lab::simulated_clock>,
                                        Executor> {
public:
    using executor_type = Executor;
    using clock_type = lab::simulated_clock;
    using duration = clock_type::duration;
    using time_point = clock_type::time_point;

    explicit basic_waitable_timer(Executor executor)
        : executor_(std::move(executor)),
          timeline_(&use_service<lab::timeline>(query(executor_, execution::context))) {}
    basic_waitable_timer(Executor executor, time_point at) : basic_waitable_timer(std::move(executor)) {
        expiry_ = at;
    }
    basic_waitable_timer(Executor executor, duration d)
        : basic_waitable_timer(std::move(executor), clock_type::now() + d) {}
    basic_waitable_timer(basic_waitable_timer const&) = delete;
    basic_waitable_timer& operator=(basic_waitable_timer const&) = delete;
    ~basic_waitable_timer() { cancel(); }

    executor_type get_executor() const noexcept { return executor_; }
    time_point expiry() const { return expiry_; }

    std::size_t expires_at(time_point at) {
        expiry_ = at;
        return cancel();
    }
    std::size_t expires_after(duration d) { return expires_at(clock_type::now() + d); }

    std::size_t cancel() {
        auto const mine = std::exchange(mine_, std::nullopt);
        return mine && timeline_->cancel(*mine) ? 1 : 0;
    }

    template <completion_token_for<void(boost::system::error_code)> Token = deferred_t>
    auto async_wait(Token&& token = Token()) {
        return async_initiate<Token, void(boost::system::error_code)>(
            [this]<class Handler>(Handler&& handler) {
                auto slot = get_associated_cancellation_slot(handler);
                using waiting = waiting_handler<std::decay_t<Handler>>;
                mine_ = timeline_->add(expiry_,
                                       std::make_unique<waiting>(executor_, std::forward<Handler>(handler)));
                if (slot.is_connected())
                    slot.assign([all = timeline_, k = *mine_](cancellation_type) { all->cancel(k); });
            },
            token);
    }

private:
    template <class Handler>
    class waiting_handler final : public lab::timeline::handler {
    public:
        waiting_handler(Executor const& executor, Handler h) : executor_(executor), handler_(std::move(h)) {}
        void complete(boost::system::error_code error) override {
            post(executor_, append(std::move(handler_), error));
        }

    private:
        Executor executor_;
        Handler handler_;
    };

    Executor executor_;
    lab::timeline* timeline_;
    time_point expiry_{};
    std::optional<lab::timeline::key> mine_;
};
