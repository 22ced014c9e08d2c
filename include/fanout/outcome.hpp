// SPDX-License-Identifier: BSL-1.0
#pragma once

// What became of a child: settled<T>, and the state that it is in.

#include <fanout/error.hpp>

#include <boost/outcome/basic_outcome.hpp>
#include <boost/outcome/boost_outcome.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace fanout {

/// What became of one child: a value, or an error code with, where the child threw, its exception.
///
/// A thrown `system_error` is there as its code *and* as the exception, so nothing of its message is lost. Any
/// other exception has the code `errc::exception`. `value()` rethrows the exception where there is one, else
/// throws a `system_error` of the code.
template <class T>
using settled = boost::outcome_v2::basic_outcome<
    T, error_code, std::exception_ptr,
    boost::outcome_v2::policy::default_policy<T, error_code, std::exception_ptr>>;

/// The state an input ended in; each ends in exactly one.
enum class state {
    fulfilled,   ///< it has a value: its effect happened
    rejected,    ///< its own error says what its effect is
    timed_out,   ///< effect unknown
    cancelled,   ///< effect unknown
    not_started, ///< no effect: safe to run again
};

/// The state that `e`, the error code of a settled child, means: `rejected` for any code that is not ours.
inline state state_of(error_code const& e) noexcept {
    if (e.category() != category()) {
        return state::rejected;
    }
    switch (static_cast<errc>(e.value())) {
    case errc::timed_out: return state::timed_out;
    case errc::cancelled_by_sibling:
    case errc::cancelled_by_caller: return state::cancelled;
    case errc::not_started: return state::not_started;
    case errc::exception:
    case errc::reentrant_limit: break;
    }
    return state::rejected;
}

/// The state of `s`, a settled child.
template <class T>
state state_of(settled<T> const& s) noexcept {
    if (s.has_value()) {
        return state::fulfilled;
    }
    return s.has_error() ? state_of(s.error()) : state::rejected;
}

/// The state `s` as a word: "fulfilled", "rejected", "timed out", "cancelled", "not started".
inline char const* to_string(state s) noexcept {
    switch (s) {
    case state::fulfilled: return "fulfilled";
    case state::rejected: return "rejected";
    case state::timed_out: return "timed out";
    case state::cancelled: return "cancelled";
    case state::not_started: return "not started";
    }
    return "unknown";
}

namespace detail {

/// The error of a settled child that has no value: its code, and what it threw.
template <class T>
std::pair<error_code, std::exception_ptr> error_of(settled<T> const& o) {
    return {o.has_error() ? o.error() : make_error_code(errc::exception),
            o.has_exception() ? o.exception() : nullptr};
}

/// The value of `void` children, where a value must be.
template <class T>
using value_or_monostate = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

} // namespace detail
} // namespace fanout
