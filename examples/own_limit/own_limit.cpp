// SPDX-License-Identifier: BSL-1.0

// A limit of one's own: jobs start only while the machine has little to do. Prints how busy it was when each started.
// usage: own_limit [MARK], the load average per processor below which jobs start (default 1000: at once)

#include <fanout/limit/admission.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/when_all.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
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

asio::awaitable<void> job(int number) {
    std::cout << "job " << number << " starts, load " << calm_machine::load() << std::endl;
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
    co_await timer.async_wait(asio::deferred);
}

asio::awaitable<void> run(double mark) {
    // [use]
    calm_machine calm(mark);
    std::vector<int> const numbers{1, 2, 3, 4, 5, 6};
    co_await fanout::when_all(numbers, job, fanout::all_of(fanout::limit(2), calm));
    // [/use]
    std::cout << "done\n";
}

} // namespace

int main(int argc, char** argv) {
    double mark = 1000;
    if (argc > 1) {
        std::string_view const text = argv[1];
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), mark);
        if (argc > 2 || error != std::errc() || end != text.data() + text.size() || !(mark > 0)) {
            std::cerr << "usage: own_limit [MARK], a number above 0\n";
            return 2;
        }
    }
    asio::io_context context(1);
    auto status = 0;
    asio::co_spawn(context, run(mark), [&status](std::exception_ptr e) {
        try {
            if (e) {
                std::rethrow_exception(e);
            }
        } catch (std::exception const& error) {
            std::cerr << "own_limit: " << error.what() << '\n';
            status = 1;
        }
    });
    context.run();
    return status;
}
