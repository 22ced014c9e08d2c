// SPDX-License-Identifier: BSL-1.0
#include "simulated_backend.hpp"

#include "hashed.hpp"
#include "simulated_timer.hpp"
#include "text.hpp"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace lab {

namespace asio = boost::asio;

namespace {

class backend_category final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "lab.backend"; }
    std::string message(int value) const override {
        switch (static_cast<backend_error>(value)) {
        case backend_error::throttled: return "throttled: too many calls per second";
        case backend_error::refused: return "refused: too many connections";
        case backend_error::failed: return "failed on the server";
        }
        return "unknown";
    }
};

class counted_connection {
public:
    explicit counted_connection(std::size_t& n) : n_(n) { ++n_; }
    counted_connection(counted_connection const&) = delete;
    counted_connection& operator=(counted_connection const&) = delete;
    ~counted_connection() { --n_; }

private:
    std::size_t& n_;
};

// Ends at `t`, or with the error of the cancellation.
asio::awaitable<answer> sleep_until(simulated_clock::time_point t) {
    asio::basic_waitable_timer<simulated_clock> timer(co_await asio::this_coro::executor, t);
    boost::system::error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::deferred, error));
    if (error)
        co_return error;
    co_return boost::outcome_v2::success();
}

// Which draw of an attempt a number is for.
enum : std::uint64_t { for_time, for_time_too, for_failure };

} // namespace

boost::system::error_code make_error_code(backend_error e) noexcept {
    static backend_category const category;
    return {static_cast<int>(e), category};
}

simulated_backend::simulated_backend(backend_options options) : options_(std::move(options)) {
    if (options_.throttle > 0)
        accepted_.emplace(options_.throttle, options_.burst, simulated_clock::now());
}

bool simulated_backend::is_overload(fanout::error_code const& error) const noexcept {
    return error == backend_error::throttled || error == backend_error::refused;
}

asio::awaitable<answer> simulated_backend::call(std::size_t input, std::uint32_t attempt) {
    if (options_.connections > 0 && connected_ == options_.connections)
        co_return backend_error::refused;
    counted_connection const connection(connected_);
    auto const now = simulated_clock::now();
    if (accepted_ && !accepted_->try_take(now)) {
        auto const back = co_await sleep_until(now + options_.network);
        co_return back.has_error() ? back.error() : backend_error::throttled;
    }
    auto const drawn = [&](std::uint64_t what) { return hashed({options_.seed, input, attempt, what}); };
    auto const takes = options_.service.drawn(drawn(for_time), drawn(for_time_too));
    auto const there = options_.network / 2;
    auto const back = co_await sleep_until(served(now + there, takes) + (options_.network - there));
    if (back && drawn(for_failure) < options_.errors)
        co_return backend_error::failed;
    co_return back;
}

simulated_backend::time_point simulated_backend::served(time_point arrived, duration takes) {
    if (options_.capacity == 0)
        return arrived + takes;
    auto begins = arrived;
    if (!places_.empty() && (places_.top() <= arrived || places_.size() == options_.capacity)) {
        begins = (std::max)(arrived, places_.top());
        places_.pop();
    }
    places_.push(begins + takes);
    return begins + takes;
}

std::string backend_options::text() const {
    std::string out = "a call takes " + service.text();
    auto const add = [&out](std::string const& more) { out += "; " + more; };
    if (network > duration::zero())
        add("network " + time_text(network));
    if (capacity > 0)
        add("serves " + count_text(capacity) + " at once");
    if (throttle > 0)
        add("throttles above " + number_text(throttle) + " per second, burst " + number_text(burst));
    if (errors > 0)
        add(number_text(errors * 100) + " % fail");
    if (connections > 0)
        add("refuses beyond " + count_text(connections) + " connections");
    return out;
}

} // namespace lab
