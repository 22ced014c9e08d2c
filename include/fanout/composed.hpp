// SPDX-License-Identifier: BSL-1.0
#pragma once

// composed: a child that is written as a coroutine and is an operation, by Asio's co_composed. Without a limit it costs
// less than half of what an awaitable does. No part of `fanout.hpp`, since few need what it includes.

#include <fanout/detail/composed_promise.hpp>
#include <fanout/named.hpp>

#include <boost/asio/async_result.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout {
namespace detail {

/// Calls a function that lives elsewhere, as co_composed would copy it to where it does not live long enough.
template <class F>
struct composed_call {
    F* function;

    template <class State, class... Inputs>
    void operator()(State&& state, Inputs&&... inputs) const {
        (*function)(std::forward<State>(state), std::forward<Inputs>(inputs)...);
    }
};

template <class T, class F>
struct initiate_composed {
    // A function without captures may be copied: that spares its state a move.
    static constexpr bool copied = std::is_empty_v<F> && std::is_trivially_copyable_v<F>;

    F* function;

    template <class Handler, class... Inputs>
    void operator()(Handler&& handler, std::tuple<Inputs...>&& inputs) const {
        using call = std::conditional_t<copied, std::remove_const_t<F>, composed_call<F>>;
        auto initiation = co_composed<void()>(make<call>());
        std::apply(
            [&](auto&... in) {
                std::move(initiation)(
                    composed_handler<std::decay_t<Handler>, T>(std::forward<Handler>(handler)),
                    std::forward<Inputs>(in)...);
            },
            inputs);
    }

private:
    template <class Call>
    Call make() const {
        if constexpr (copied) {
            return *function;
        } else {
            return {function};
        }
    }
};

/// A composed child that has not started.
template <class T, class F, class Inputs>
class [[nodiscard(
    "a composed child runs only when it is awaited or given a completion token")]] composed_operation {
    using signature = typename composed_signature<T>::type;

public:
    template <class... As>
    explicit composed_operation(F& f, As&&... as) : initiation_{&f}, inputs_(std::forward<As>(as)...) {}
    composed_operation(composed_operation&&) = default;
    composed_operation& operator=(composed_operation&&) = delete;

    template <boost::asio::completion_token_for<signature> Token>
    auto operator()(Token&& token) && {
        return boost::asio::async_initiate<Token, signature>(initiation_, token, std::move(inputs_));
    }

private:
    initiate_composed<T, F> initiation_;
    [[no_unique_address]] Inputs inputs_;
};

} // namespace detail

/// What `composed<T>(f)` makes: a factory of children.
template <class T, class F>
class composed_t {
public:
    /// Keeps the function `f`, copied or moved.
    template <class G>
        requires(!std::is_same_v<std::remove_cvref_t<G>, composed_t>)
    constexpr explicit composed_t(G&& f) : function_(std::forward<G>(f)) {}

    /// Makes a child of these inputs, which has not started. The factory must outlive it.
    template <class... Inputs>
        requires std::is_invocable_v<F&, detail::any_state, Inputs...>
    auto operator()(Inputs&&... inputs) & {
        return make(function_, std::forward<Inputs>(inputs)...);
    }
    /// The same, of a factory that is const.
    template <class... Inputs>
        requires std::is_invocable_v<F const&, detail::any_state, Inputs...>
    auto operator()(Inputs&&... inputs) const& {
        return make(function_, std::forward<Inputs>(inputs)...);
    }
    /// Refused: the child would outlive its function. Give the factory a name.
    template <class... Inputs>
    void operator()(Inputs&&... inputs) && = delete;

private:
    template <class G, class... Inputs>
    static auto make(G& f, Inputs&&... inputs) {
        using kept = detail::composed_inputs_t<G, Inputs...>;
        return detail::composed_operation<T, G, kept>(f, std::forward<Inputs>(inputs)...);
    }

    [[no_unique_address]] F function_;
};

namespace detail {

/// An object in place of a function, or Asio, where it means its own `composed<Signature>(…)`, would find this one by the
/// arguments.
template <class T>
struct make_composed {
    template <class F>
    [[nodiscard]] constexpr auto operator()(F&& f) const {
        refuse_unsafe_closure<F>();
        return composed_t<T, std::decay_t<F>>(std::forward<F>(f));
    }
};

} // namespace detail

/// Makes a factory of children from a coroutine that is an operation: Asio's `co_composed`.
///
///     auto child = fanout::composed<void>([&](auto state, video const& v) -> void {
///         co_await table.async_append_view(v, asio::deferred);
///     });
///     co_await fanout::when_all(rows, child, fanout::limit(64));
///
/// @tparam T What a child yields; may be void. Or a signature `void(error_code, Ts…)`, where errors are told without
///   exceptions.
/// @param f The coroutine. Its first parameter is `auto state`, co_composed's state; the others are the inputs. Its
///   return type must be written, `-> void`. It awaits Asio operations (`async_xxx(…, asio::deferred)`, other composed
///   ones, combinators), but no awaitables. It ends by `co_return value;`, for void by its end, and for a signature by
///   `co_return {error, values…};`.
/// @returns A factory: called with inputs it makes a lazy, move-only operation that completes with
///   `void(std::exception_ptr, T)`, or with the signature.
/// @par Completes when
///   `f` has ended, and its frame is gone. A child that never suspends ends within its initiation.
/// @par Errors
///   What is thrown out of `f` is what the child completes with; where the signature has an error_code: its code, or
///   `errc::exception` where it has none. Beside an error there must be a value: T must be default-constructible.
/// @par Per-operation cancellation
///   By default `terminal`, as an awaitable's: it is handed on to the operation that is awaited, and then the next
///   `co_await` throws `operation_aborted`. `state.reset_cancellation_state(filter)` lets in other types (or none),
///   `state.throw_if_cancelled(false)` leaves it to `state.cancelled()`.
/// @par Executor
///   That of the handler: in a fan-out, that of its children. Elsewhere, bind one.
/// @par Thread safety
///   Distinct children: safe, where `f` is. With `on(executor)` a fan-out calls it on several threads at once.
/// @par Exception safety
///   At the call: what copying or moving `f` throws. A child for whose frame there is no memory throws `std::bad_alloc`
///   when it is started.
/// @par Lifetimes
///   Parameters are as any coroutine's: what `f` takes by value is copied when the child is made; what it takes by
///   reference must outlive the child, as the inputs of a fan-out do. So must the factory, which holds `f`.
/// @par Complexity
///   One allocation per child, with the handler's associated allocator, else from Asio's recycled memory.
/// @par See also
///   Asio's `experimental::co_composed`, which this is, but that an exception ends the child instead of leaving through
///   the event loop.
template <class T>
inline constexpr detail::make_composed<T> composed{};

} // namespace fanout
