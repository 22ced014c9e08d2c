// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which rejections say that there was too much to do.

#include <fanout/error.hpp>
#include <fanout/named.hpp>

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace fanout {

namespace detail {

template <class F>
concept overload_predicate = requires(F& f, error_code const& code, std::exception_ptr const& exception) {
    static_cast<bool>(std::invoke(f, code, exception));
} || requires(F& f, error_code const& code) { static_cast<bool>(std::invoke(f, code)); };

} // namespace detail

/// What `overload_if(f)` makes.
template <class F>
class overload_if_t {
    static constexpr bool predicate =
        detail::overload_predicate<F>; // clang shows the rule before the sentence

public:
    /// Keeps `f`.
    constexpr explicit overload_if_t(F f) : predicate_(std::move(f)) {
        static_assert(predicate, "fanout: overload_if takes a function of (error_code const&), or of "
                                 "(error_code const&, std::exception_ptr const&), that returns a bool");
    }

    /// Whether this rejection means overload.
    bool operator()(error_code const& code, std::exception_ptr const& exception) noexcept {
        if constexpr (!predicate) {
            return false; // so that there is one error only
        } else if constexpr (std::is_invocable_v<F&, error_code const&, std::exception_ptr const&>) {
            return static_cast<bool>(std::invoke(predicate_, code, exception));
        } else {
            return static_cast<bool>(std::invoke(predicate_, code));
        }
    }

private:
    F predicate_;
};

/// Says which rejections mean that there was too much to do, for a limit that learns from them: `adaptive`.
///
///     auto const throttled = [](fanout::error_code const& e) { return e == dynamodb_errc::throttled; };
///     co_await fanout::retry_rejected(rows, write, policy, writes, fanout::overload_if(throttled));
///
/// Without it only an attempt that ran into its `attempt_timeout` does.
///
/// @param f Called with a rejection's error code, and, if it takes two, with what was thrown (null where
///   nothing was). It is called on the fan-out's executor, one call at a time; it must not throw.
/// @returns An argument of a combinator.
/// @par Lifetimes
///   `f` is copied or moved, and kept until the call has completed.
template <class F>
constexpr overload_if_t<std::decay_t<F>> overload_if(F&& f) {
    detail::refuse_unsafe_closure<F>();
    return overload_if_t<std::decay_t<F>>(std::forward<F>(f));
}

namespace detail {

template <class T>
inline constexpr bool is_overload_if = false;
template <class F>
inline constexpr bool is_overload_if<overload_if_t<F>> = true;

} // namespace detail
} // namespace fanout
