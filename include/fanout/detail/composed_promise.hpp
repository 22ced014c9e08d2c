// SPDX-License-Identifier: BSL-1.0
#pragma once

// The coroutine of a composed child. Asio's co_composed lets an exception leave through the event loop's run(), and
// then no handler is called; here it ends the operation.

#include <fanout/detail/lane.hpp>
#include <fanout/error.hpp>

#if __has_include(<boost/asio/co_composed.hpp>)
#include <boost/asio/co_composed.hpp>
#else
#include <boost/asio/experimental/co_composed.hpp>
#endif

#include <coroutine>
#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

#if __has_include(<boost/asio/co_composed.hpp>)
using boost::asio::co_composed;
#else
using boost::asio::experimental::co_composed;
#endif

template <class T>
struct composed_signature {
    static_assert(
        std::is_default_constructible_v<T> && std::is_move_constructible_v<T>,
        "fanout: what a composed child yields must be default-constructible, since there must be one "
        "beside an error, too: std::optional is");
    using type = void(std::exception_ptr, T);
};
template <>
struct composed_signature<void> {
    using type = void(std::exception_ptr);
};
template <class E, class... Ts>
struct composed_signature<void(E, Ts...)> {
    static_assert(std::is_same_v<E, error_code> || std::is_same_v<E, std::exception_ptr>,
                  "fanout: the signature of a composed child begins with an error_code or an exception_ptr");
    using type = void(E, Ts...);
};

/// co_composed's state. That its type is another is what gives the coroutine the promise below.
template <class State, class Result>
class composed_state : public State {
public:
    explicit composed_state(State&& state) : State(std::move(state)) {}
};

template <class Signature>
struct composed_failure;
template <class E, class... Ts>
struct composed_failure<void(E, Ts...)> {
    /// In a catch block: what the operation completes with.
    static std::tuple<E, Ts...> current() {
        if constexpr (std::is_same_v<E, error_code>) {
            return {current_error_code(), Ts{}...};
        } else {
            return {std::current_exception(), Ts{}...};
        }
    }
};

/// How a body ends: as T says.
template <class Promise, class T>
struct composed_return {
    void return_value(T value) {
        static_cast<Promise*>(this)->end(std::tuple<std::exception_ptr, T>(nullptr, std::move(value)));
    }
};
template <class Promise>
struct composed_return<Promise, void> {
    void return_void() { static_cast<Promise*>(this)->end(std::tuple<std::exception_ptr>()); }
};
template <class Promise, class... Args>
struct composed_return<Promise, void(Args...)> {
    void return_value(std::tuple<Args...> completion) {
        static_cast<Promise*>(this)->end(std::move(completion));
    }
};

/// Asio's promise, but for exceptions and `co_return`. Asio's is the first member and as aligned as the whole, so that
/// its address, from which Asio finds the coroutine, is that of the promise.
template <class State, class T>
class composed_promise : public composed_return<composed_promise<State, T>, T> {
    using asio_promise = typename std::coroutine_traits<void, State>::promise_type;
    using signature = typename composed_signature<T>::type;

public:
    template <class... Args>
    explicit composed_promise(Args&... args) : asio_(args...) {
        static_assert(sizeof(composed_promise) == sizeof(asio_promise) &&
                      alignof(composed_promise) == alignof(asio_promise));
    }

    template <class... Args>
    static void* operator new(std::size_t size, Args&... args) {
        return asio_promise::operator new(size, args...);
    }
    static void operator delete(void* frame, std::size_t size) { asio_promise::operator delete(frame, size); }

    void get_return_object() noexcept {}
    auto initial_suspend() noexcept { return asio_.initial_suspend(); }
    auto final_suspend() noexcept { return asio_.final_suspend(); }
    void unhandled_exception() { end(composed_failure<signature>::current()); }

    template <class Op>
    auto await_transform(Op&& op) {
        return awaiter([&]() -> decltype(auto) { return asio_.await_transform(std::forward<Op>(op)); });
    }
    template <class Completion>
    auto yield_value(Completion&& completion) {
        return awaiter(
            [&]() -> decltype(auto) { return asio_.yield_value(std::forward<Completion>(completion)); });
    }

    template <class Completion>
    void end(Completion&& completion) {
        asio_.return_value(std::forward<Completion>(completion));
    }

private:
    /// Awaits what Asio's promise awaits, which wants a handle of its own type.
    template <class Make>
    class awaiter {
    public:
        explicit awaiter(Make make) : asio_(make()) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) {
            asio_.await_suspend(std::coroutine_handle<asio_promise>::from_address(h.address()));
        }
        decltype(auto) await_resume() { return asio_.await_resume(); }

    private:
        std::invoke_result_t<Make&> asio_;
    };

    asio_promise asio_;
};

// ---- the inputs

/// Stands for the state where only the other parameters matter.
struct any_state {};

/// What is kept of an input until its coroutine starts. Where the parameters are known: what a coroutine would keep,
/// that is a value, or a reference. Where they are templates: a reference.
template <class Function, class... Inputs>
struct composed_inputs {
    using type = std::tuple<Inputs&&...>;
};
template <class F>
using body_of = decltype(&F::template operator()<any_state>);
template <class Body>
struct parameters_of;
template <class F, class... Ps>
struct parameters_of<void (F::*)(any_state, Ps...)> {
    using type = std::tuple<Ps...>;
};
template <class F, class... Ps>
struct parameters_of<void (F::*)(any_state, Ps...) const> {
    using type = std::tuple<Ps...>;
};
template <class F, class... Inputs>
    requires requires { typename parameters_of<body_of<F>>::type; }
struct composed_inputs<F, Inputs...> : parameters_of<body_of<F>> {};

template <class F, class... Inputs>
using composed_inputs_t = typename composed_inputs<std::remove_const_t<F>, Inputs...>::type;

// ---- executors

template <class IoObject>
auto io_executor(IoObject const& io) {
    if constexpr (requires { const_cast<IoObject&>(io).get_executor(); }) {
        return const_cast<IoObject&>(io).get_executor();
    } else {
        return io;
    }
}
template <class IoObject>
using io_executor_t = decltype(io_executor(std::declval<IoObject const&>()));

} // namespace fanout::detail

template <class F, class State, class Result, class... Inputs>
struct std::coroutine_traits<void, F, fanout::detail::composed_state<State, Result>, Inputs...> {
    using promise_type = fanout::detail::composed_promise<State, Result>;
};
