// SPDX-License-Identifier: BSL-1.0

// own_limit: a limit of one's own. Jobs start only while the machine has little to do. See --help.

#include <fanout/limit/admission.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/when_all.hpp>

#include "../support/program.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstdlib>
#include <ostream>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace {

// [limit]
// Lets a child start while the load average per processor is below a mark; looks again twice a second.
class calm_machine {
public:
    // Nothing is counted here, so there is nothing to give back.
    struct permit_type {
        bool granted = false;
        explicit operator bool() const { return granted; }
        void release(fanout::feedback const&) {}
    };

    explicit calm_machine(double mark) : mark_(mark) {}

    permit_type try_acquire() const { return {load() < mark_}; }

    // A coroutine as an operation: cancelled, its timer ends the wait with an error.
    template <class Handler>
    void async_acquire(Handler&& handler) const {
        auto const executor = asio::get_associated_executor(handler);
        asio::co_spawn(executor, wait_until_calm(), std::forward<Handler>(handler));
    }

    static double load() {
        double average = 0;
        return getloadavg(&average, 1) == 1 ? average / std::thread::hardware_concurrency() : 0;
    }

private:
    asio::awaitable<permit_type> wait_until_calm() const {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (load() >= mark_) {
            timer.expires_after(std::chrono::milliseconds(500));
            co_await timer.async_wait(asio::deferred);
        }
        co_return permit_type{true};
    }

    double mark_;
};

static_assert(fanout::admission<calm_machine>);
// [/limit]

asio::awaitable<void> job(int number, support::notebook& notes) {
    notes.say() << "job " << number << " starts, load " << calm_machine::load() << std::endl;
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
    co_await timer.async_wait(asio::deferred);
}

asio::awaitable<bool> run(double mark, support::notebook& notes) {
    if (!(mark > 0))
        throw support::bad_argument("MARK must be a number above 0");
    auto const start = [&notes](int number) { return job(number, notes); };
    // [use]
    calm_machine calm(mark);
    std::vector<int> const numbers{1, 2, 3, 4, 5, 6};
    co_await fanout::when_all(numbers, start, fanout::all_of(fanout::limit(2), calm), notes.record("jobs"));
    // [/use]
    co_return true;
}

} // namespace

int main(int argc, char** argv) {
    double mark = 1000;
    CLI::App app("Starts jobs only while the machine has little to do, two at a time, and prints how busy it "
                 "was when each started.",
                 "own_limit");
    app.add_option("MARK", mark, "The load average per processor below which jobs start; 1000: at once")
        ->capture_default_str();
    return support::run_program(app, argc, argv, [&](support::notebook& notes) { return run(mark, notes); });
}
