// SPDX-License-Identifier: BSL-1.0
#pragma once

// The coroutine of a composed child: co_composed's, but that an exception ends the operation. Asio lets it leave
// through the event loop's run(), and then no handler is called, so that a fan-out would wait for ever.

#include <fanout/concepts.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/error.hpp>

#include <boost/asio/associator.hpp>
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
using boost::asio::detail::co_composed_promise;
using boost::asio::detail::co_composed_state;
#else
using boost::asio::experimental::co_composed;
using boost::asio::experimental::detail::co_composed_promise;
using boost::asio::experimental::detail::co_composed_state;
#endif

template <class T>
struct composed_signature {
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

/// What a composed child completes with, from its end until its handler is called.
template <class Signature>
class composed_completion;

template <class E, class... Ts>
class composed_completion<void(E, Ts...)> {
    static_assert(
        (... && (std::is_nothrow_default_constructible_v<Ts> && std::is_nothrow_move_constructible_v<Ts> &&
                 std::is_nothrow_move_assignable_v<Ts>)),
        "fanout: what a composed child yields must be default-constructible, since there must be one beside "
        "an error, too, and movable, both without exceptions: std::optional is");

public:
    using tuple_type = std::tuple<E, Ts...>;

    void set(tuple_type&& all) noexcept { all_ = std::move(all); }

    /// In a catch block: keeps what was thrown.
    void fail() noexcept {
        if constexpr (std::is_same_v<E, error_code>) {
            std::get<0>(all_) = current_error_code();
        } else {
            std::get<0>(all_) = std::current_exception();
        }
    }

    tuple_type& get() noexcept { return all_; }

private:
    tuple_type all_{};
};

/// The handler that co_composed calls, without arguments. It carries what the handler of the child is called with: the
/// coroutine is gone by then. (co_composed carries it in a variant, which its state moves about.)
template <class Handler, class T>
class composed_handler {
    using completion_type = composed_completion<typename composed_signature<T>::type>;

public:
    explicit composed_handler(Handler&& handler) : handler_(std::move(handler)) {}
    explicit composed_handler(Handler const& handler) : handler_(handler) {}

    void operator()() {
        std::apply([this](auto&... all) { std::move(handler_)(std::move(all)...); }, completion_.get());
    }

    Handler const& handler() const noexcept { return handler_; }
    completion_type& completion() const noexcept { return completion_; }

private:
    Handler handler_;
    mutable completion_type completion_; ///< Asio shows the coroutine its handler as a const one
};

/// How a body ends, for each form of T.
template <class Promise, class T>
struct composed_return {
    void return_value(T value) noexcept {
        static_cast<Promise*>(this)->end(
            [&](auto& completion) { completion.set({nullptr, std::move(value)}); });
    }
};
template <class Promise>
struct composed_return<Promise, void> {
    void return_void() noexcept {
        static_cast<Promise*>(this)->end([](auto&) {});
    }
};
template <class Promise, class... Args>
struct composed_return<Promise, void(Args...)> {
    void return_value(std::tuple<Args...> all) noexcept {
        static_cast<Promise*>(this)->end([&](auto& completion) { completion.set(std::move(all)); });
    }
};

/// Asio's promise, but for exceptions and `co_return`. It is the only member, as Asio finds the coroutine from its
/// address. `Arguments` are those of the coroutine: were `operator new` a template, GCC would take it for none of the
/// same class as `operator delete` (-Wmismatched-new-delete). Clang leaves out the object of a lambda.
template <class AsioPromise, class T, class Function, class... Arguments>
class composed_promise : public composed_return<composed_promise<AsioPromise, T, Function, Arguments...>, T> {
    /// Awaits what Asio's promise awaits, which wants a handle of its own type.
    template <class Awaiter>
    class awaiter {
    public:
        template <class Make>
        explicit awaiter(Make const& make) : asio_(make()) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) {
            asio_.await_suspend(std::coroutine_handle<AsioPromise>::from_address(h.address()));
        }
        decltype(auto) await_resume() { return asio_.await_resume(); }

    private:
        Awaiter asio_;
    };

public:
    explicit composed_promise(Function&, Arguments&... arguments) : composed_promise(arguments...) {}
    explicit composed_promise(Arguments&... arguments) : asio_(arguments...) {
        static_assert(sizeof(composed_promise) == sizeof(AsioPromise) &&
                      alignof(composed_promise) == alignof(AsioPromise));
        asio_.state().throw_if_cancelled(true);
    }

    static void* operator new(std::size_t size, Function&, Arguments&... arguments) {
        return AsioPromise::operator new(size, arguments...);
    }
    static void* operator new(std::size_t size, Arguments&... arguments) {
        return AsioPromise::operator new(size, arguments...);
    }
    static void operator delete(void* frame, std::size_t size) { AsioPromise::operator delete(frame, size); }

    void get_return_object() noexcept {}
    auto initial_suspend() noexcept { return asio_.initial_suspend(); }
    auto final_suspend() noexcept { return asio_.final_suspend(); }

    void unhandled_exception() noexcept {
        end([](auto& completion) { completion.fail(); });
    }

    template <class Op>
        requires asio_operation<std::remove_cvref_t<Op>>
    auto await_transform(Op&& op) {
        auto const make = [&]() -> decltype(auto) { return asio_.await_transform(std::forward<Op>(op)); };
        return awaiter<decltype(make())>(make);
    }

    template <class Note>
    void end(Note note) noexcept {
        note(asio_.state().handler().completion());
        asio_.return_value(std::tuple<>());
    }

private:
    AsioPromise asio_;
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
    requires(std::tuple_size_v<typename parameters_of<body_of<F>>::type> == sizeof...(Inputs))
struct composed_inputs<F, Inputs...> : parameters_of<body_of<F>> {};

template <class F, class... Inputs>
using composed_inputs_t = typename composed_inputs<std::remove_const_t<F>, Inputs...>::type;

// ---- the coroutine of a composed child is known by the handler in its state

template <class Executors, class Handler, class T, class Return>
using composed_state = co_composed_state<Executors, composed_handler<Handler, T>, Return>;
template <class Function, class Executors, class Handler, class T, class Return, class... Inputs>
struct composed_traits {
    using promise_type =
        composed_promise<co_composed_promise<Executors, composed_handler<Handler, T>, Return>, T, Function,
                         composed_state<Executors, Handler, T, Return>, std::remove_reference_t<Inputs>...>;
};

} // namespace fanout::detail

// As Asio's, but more specialised.
template <class F, class E, class H, class T, class R, class... Inputs>
struct std::coroutine_traits<void, F&, fanout::detail::composed_state<E, H, T, R>, Inputs...>
    : fanout::detail::composed_traits<F, E, H, T, R, Inputs...> {};
template <class F, class E, class H, class T, class R, class... Inputs>
struct std::coroutine_traits<void, F&&, fanout::detail::composed_state<E, H, T, R>, Inputs...>
    : fanout::detail::composed_traits<F, E, H, T, R, Inputs...> {};

template <template <class, class> class Associator, class Handler, class T, class Default>
struct boost::asio::associator<Associator, fanout::detail::composed_handler<Handler, T>, Default>
    : Associator<Handler, Default> {
    static decltype(auto) get(fanout::detail::composed_handler<Handler, T> const& h) noexcept {
        return Associator<Handler, Default>::get(h.handler());
    }
    static decltype(auto) get(fanout::detail::composed_handler<Handler, T> const& h,
                              Default const& d) noexcept {
        return Associator<Handler, Default>::get(h.handler(), d);
    }
};
