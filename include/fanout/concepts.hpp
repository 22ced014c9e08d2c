// SPDX-License-Identifier: BSL-1.0
#pragma once

// What may be a child of a fan-out, and what it yields: an awaitable, or any Asio operation.

#include <fanout/outcome.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/outcome/basic_result.hpp>
#include <boost/system/result.hpp>

#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout {
namespace detail {

namespace asio = boost::asio;

template <class C>
inline constexpr bool is_awaitable = false;
template <class T, class Executor>
inline constexpr bool is_awaitable<asio::awaitable<T, Executor>> = true;

/// The value of a completion signature: what is left of it behind an error.
template <class... Ts>
struct values_of {
    using type = std::tuple<std::decay_t<Ts>...>;
};
template <>
struct values_of<> {
    using type = void;
};
template <class T>
struct values_of<T> {
    using type = std::decay_t<T>;
};

template <class First, class... Ts>
struct values_behind : values_of<First, Ts...> {};
template <class... Ts>
struct values_behind<error_code, Ts...> : values_of<Ts...> {};
template <class... Ts>
struct values_behind<std::exception_ptr, Ts...> : values_of<Ts...> {};

template <class Signature>
struct signature_value;
template <class... Ts>
struct signature_value<void(Ts...)> : values_behind<std::decay_t<Ts>...> {};
template <>
struct signature_value<void()> : values_of<> {};

template <class C>
struct raw_value : signature_value<asio::completion_signature_of_t<C>> {};
template <class T, class Executor>
struct raw_value<asio::awaitable<T, Executor>> {
    using type = T;
};

/// Results and outcomes are unwrapped: their value is the child's value, their error its rejection.
template <class T>
struct unwrapped {
    using type = T;
    static constexpr bool is_outcome = false;
};
template <class T, class E, class Policy>
struct unwrapped<boost::outcome_v2::basic_result<T, E, Policy>> {
    using type = T;
    static constexpr bool is_outcome = true;
};
template <class T, class E, class P, class Policy>
struct unwrapped<boost::outcome_v2::basic_outcome<T, E, P, Policy>> {
    using type = T;
    static constexpr bool is_outcome = true;
};

template <class T, class E>
struct unwrapped<boost::system::result<T, E>> {
    using type = T;
    static constexpr bool is_outcome = true;
};

template <class T>
concept asio_operation = std::is_move_constructible_v<T> && asio::is_async_operation<T>::value;

} // namespace detail

/// A child: a `boost::asio::awaitable`, or any Asio operation, that is what `async_xxx(…, asio::deferred)`
/// returns, or another combinator's.
template <class C>
concept child =
    detail::is_awaitable<std::remove_cvref_t<C>> || detail::asio_operation<std::remove_cvref_t<C>>;

namespace detail {

template <class C>
using raw_value_t = typename raw_value<std::remove_cvref_t<C>>::type;

} // namespace detail

/// What a child yields when it is fulfilled, unwrapped from Outcome's types; may be void.
template <child C>
using child_value_t = typename detail::unwrapped<detail::raw_value_t<C>>::type;

namespace detail {

/// Whether a child tells its errors by Outcome's types instead of throwing.
template <class C>
inline constexpr bool yields_outcome = unwrapped<raw_value_t<C>>::is_outcome;

} // namespace detail
} // namespace fanout
