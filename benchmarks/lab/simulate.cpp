// SPDX-License-Identifier: BSL-1.0
#include "simulate.hpp"

#include "simulated_timer.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>

namespace lab {

namespace asio = boost::asio;

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free); // so that a signal handler may set it

} // namespace

void interrupt_simulations() noexcept { interrupted = true; }
bool simulations_are_interrupted() noexcept { return interrupted; }

run_result simulate(strategy const& how, workload const& work, backend_options const& options) {
    simulated_clock::current = {};
    simulated_backend backend(options);
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    std::exception_ptr failure;
    std::optional<run_result> result;
    asio::co_spawn(context, run_strategy<simulated_clock>(how, work, backend),
                   asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr thrown, run_result r) {
                       failure = thrown;
                       result = r;
                   }));

    auto const working = asio::make_work_guard(context);
    auto& waiting = asio::use_service<timeline>(context);
    auto cancelled = false;
    do {
        if (interrupted && !std::exchange(cancelled, true))
            cancel.emit(asio::cancellation_type::terminal);
        context.poll();
    } while (!result && waiting.step());
    if (failure)
        std::rethrow_exception(failure);
    if (!result)
        throw std::logic_error("the simulation stands still: " + how.name() + " waits for nothing");
    return *result;
}

} // namespace lab
