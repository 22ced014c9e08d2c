// SPDX-License-Identifier: BSL-1.0
#pragma once

// The error codes of the library, what they say about the effect of a child, and the exception that lists
// every input that failed.

#include <fanout/detail/requirements.hpp>

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/error_condition.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace fanout {

using boost::system::error_code;

/// Why a child has no value, where the reason is ours and not the child's own error.
///
/// `timed_out` equals the generic condition `timed_out`; the two `cancelled_…` and `not_started` equal
/// `operation_canceled`, `reentrant_limit` equals `resource_deadlock_would_occur`. Only `not_started` says that the child had no effect.
enum class errc {
    timed_out = 1,            ///< its attempt timeout or the deadline ended it: effect unknown
    cancelled_by_sibling = 2, ///< another child was rejected first and this one was cancelled: effect unknown
    cancelled_by_caller = 3,  ///< the caller cancelled the fan-out while it ran: effect unknown
    not_started = 4,          ///< it never ran: no effect, safe to run again
    exception = 5,            ///< it threw something that carries no error code: look at the exception
    reentrant_limit = 6,      ///< debug builds: a child asks for a limit inside one of its permits
};

namespace detail {

class category_type final : public boost::system::error_category {
public:
    constexpr category_type() noexcept : error_category(0x8f1d3ac27be5604dU) {}

    char const* name() const noexcept override { return "fanout"; }

    std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
        case errc::timed_out: return "timed out";
        case errc::cancelled_by_sibling: return "cancelled because a sibling was rejected";
        case errc::cancelled_by_caller: return "cancelled by the caller";
        case errc::not_started: return "not started";
        case errc::exception: return "an exception without an error code";
        case errc::reentrant_limit:
            return "a child asks for a limit inside a permit of that same limit: where all permits are held "
                   "so, each "
                   "waits for another, for ever; give the inner call a limit of its own";
        }
        return "unknown fanout error " + std::to_string(value);
    }

    boost::system::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<errc>(value)) {
        case errc::timed_out:
            return boost::system::errc::make_error_condition(boost::system::errc::timed_out);
        case errc::cancelled_by_sibling:
        case errc::cancelled_by_caller:
        case errc::not_started:
            return boost::system::errc::make_error_condition(boost::system::errc::operation_canceled);
        case errc::reentrant_limit:
            return boost::system::errc::make_error_condition(
                boost::system::errc::resource_deadlock_would_occur);
        case errc::exception: break;
        }
        return {value, *this};
    }
};

inline constexpr category_type category_instance{};

} // namespace detail

/// The category of `errc`; its name is "fanout".
inline boost::system::error_category const& category() noexcept { return detail::category_instance; }

/// The error code of `e`, in `category()`. By it an `errc` converts to an `error_code`.
inline error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), category()}; }

/// One input that failed, as `rejected_error` lists it.
struct failure {
    std::size_t index;      ///< its place in the input
    std::uint32_t attempts; ///< how often it was run; 0: never started
    error_code error;       ///< its last error; `errc::exception` where it threw something without a code
    std::exception_ptr exception; ///< what it threw, where it threw

    error_code first_error{};             ///< its first error: the same as the last where it was run once
    std::exception_ptr first_exception{}; ///< what it threw then, where it threw
};

/// The first error of an input that failed more than once.
struct first_failure {
    std::size_t index;            ///< its place in the input
    error_code error;             ///< `errc::exception` where it threw something without a code
    std::exception_ptr exception; ///< what it threw, where it threw
};

namespace detail {

inline std::string what_of(error_code const& error, std::exception_ptr const& exception) {
    if (exception) {
        try {
            std::rethrow_exception(exception);
        } catch (std::exception const& e) {
            return e.what();
        } catch (...) {
            return "an exception of unknown type";
        }
    }
    return error.message();
}

/// "#7 (3 attempts): how it failed at last (first: how it failed at first)"
inline std::string what_of(failure const& f) {
    auto text = '#' + std::to_string(f.index) + " (" + std::to_string(f.attempts);
    auto const last = what_of(f.error, f.exception);
    text += (f.attempts == 1 ? " attempt): " : " attempts): ") + last;
    if (f.attempts > 1 && (f.first_error || f.first_exception)) {
        if (auto const first = what_of(f.first_error, f.first_exception); first != last) {
            text += " (first: " + first + ')';
        }
    }
    return text;
}

} // namespace detail

/// Thrown by `retried<T>::values()`: lists every input that has no value.
///
/// The message names the first ten by index, number of attempts, last error, and first error where that was another,
/// and counts the rest, so that it stays readable at 10,000 failures; `failures()` has all of them, in the order of the
/// inputs.
class rejected_error : public std::runtime_error {
public:
    /// Lists `failures` of `total` inputs.
    rejected_error(std::vector<failure> failures, std::size_t total)
        : std::runtime_error(describe(failures, total)), failures_(std::move(failures)), total_(total) {}

    /// Every input that failed, in the order of the inputs.
    std::vector<failure> const& failures() const noexcept { return failures_; }

    /// How many inputs there were, the fulfilled ones included.
    std::size_t total() const noexcept { return total_; }

private:
    static std::string describe(std::vector<failure> const& failures, std::size_t total) {
        constexpr std::size_t shown = 10;
        auto text = std::to_string(failures.size()) + " of " + std::to_string(total) + " inputs failed: ";
        for (std::size_t i = 0; i < failures.size() && i < shown; ++i) {
            text += (i == 0 ? "" : "; ") + detail::what_of(failures[i]);
        }
        if (failures.size() > shown) {
            text += "; and " + std::to_string(failures.size() - shown) + " more";
        }
        return text;
    }

    std::vector<failure> failures_;
    std::size_t total_;
};

} // namespace fanout

template <>
struct boost::system::is_error_code_enum<fanout::errc> : std::true_type {};
