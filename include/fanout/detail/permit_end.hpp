// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a limit calls with a permit.

#include <fanout/error.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace fanout::detail {

inline std::exception_ptr exception_of(error_code const& error) noexcept {
    try {
        return std::make_exception_ptr(boost::system::system_error(error));
    } catch (...) { // no memory for its text
        return std::current_exception();
    }
}

/// Takes the permit that someone waited for on `Executor`. Does not know the type of who does, but of what owns it, so that a
/// limit's part is instantiated once for all fan-outs of an executor.
template <class Owner, class Executor, class Permit>
class permit_end {
public:
    using executor_type = Executor;
    using cancellation_slot_type = boost::asio::cancellation_slot;
    using answer = void (*)(Owner, std::exception_ptr, Permit&&);

    /// `ex` is of what `o` owns.
    permit_end(Owner o, Executor const& ex, answer a, boost::asio::cancellation_slot slot) noexcept
        : owner_(std::move(o)), executor_(&ex), answer_(a), slot_(slot) {}

    Executor const& executor() const noexcept { return *executor_; }
    executor_type get_executor() const noexcept { return *executor_; }
    cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }

    void operator()(error_code const& error, Permit permit) {
        (*this)(error ? exception_of(error) : nullptr, std::move(permit));
    }
    void operator()(std::exception_ptr error, Permit permit) {
        slot_.clear(); // it may have left its cancellation handler behind
        answer_(std::move(owner_), std::move(error), std::move(permit));
    }

private:
    Owner owner_;
    Executor const* executor_;
    answer answer_;
    boost::asio::cancellation_slot slot_;
};

} // namespace fanout::detail
