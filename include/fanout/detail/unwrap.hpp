// SPDX-License-Identifier: BSL-1.0
#pragma once

// What is inside the Outcome types that a child may yield: its value, or its error.

#include <fanout/error.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Anything as an exception.
template <class E>
std::exception_ptr as_exception(E const& e) {
    if constexpr (std::is_same_v<E, std::exception_ptr>) {
        return e;
    } else {
        return std::make_exception_ptr(e);
    }
}

/// The error of an Outcome or of a boost::system::result that holds no value: its code, and what it threw.
template <class R>
std::pair<error_code, std::exception_ptr> failure_of(R const& r) {
    std::exception_ptr exception;
    if constexpr (requires { r.assume_exception(); }) {
        if (r.has_exception()) {
            exception = as_exception(r.assume_exception());
        }
    }
    if (r.has_error()) {
        auto const& error = [&r]() -> decltype(auto) {
            if constexpr (requires { r.assume_error(); }) {
                return r.assume_error();
            } else {
                return r.error();
            }
        }();
        if constexpr (std::is_convertible_v<decltype(error), error_code>) {
            return {error_code(error), exception};
        } else {
            exception = as_exception(error);
        }
    }
    return {errc::exception, exception};
}

/// The value of an Outcome or of a boost::system::result that holds one.
template <class R>
decltype(auto) value_of(R&& r) {
    if constexpr (requires { r.assume_value(); }) {
        return std::forward<R>(r).assume_value();
    } else {
        return *std::forward<R>(r);
    }
}

} // namespace fanout::detail
