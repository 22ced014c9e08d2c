// SPDX-License-Identifier: BSL-1.0
#pragma once

// composed: a child written as a coroutine that is an operation itself, by Asio's co_composed. It costs less than an
// awaitable, which is a coroutine inside a thread of coroutines.

#include <fanout/detail/composed_promise.hpp>
#include <fanout/named.hpp>

#include <boost/asio/async_result.hpp>

#include <exception>
#include <functional>
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

template <class T, class F, class... IoObjects>
struct initiate_composed {
    F* function;
    std::tuple<IoObjects...> io_objects;

    template <class Handler, class... Inputs>
    void operator()(Handler&& handler, std::tuple<Inputs...>&& inputs) const {
        // One that has no captures may be copied: that spares its state a move.
        using call = std::conditional_t<std::is_empty_v<F>, std::remove_const_t<F>, composed_call<F>>;
        auto initiation = std::apply(
            [this](auto const&... io) { return co_composed<void()>(make<call>(), io...); }, io_objects);
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
        if constexpr (std::is_empty_v<F>) {
            return *function;
        } else {
            return {function};
        }
    }
};

/// A composed child that has not started.
template <class Signature, class Initiation, class Inputs>
class [[nodiscard(
    "a composed child runs only when it is awaited or given a completion token")]] composed_operation {
public:
    template <class... As>
    explicit composed_operation(Initiation initiation, As&&... as)
        : initiation_(std::move(initiation)), inputs_(std::forward<As>(as)...) {}
    composed_operation(composed_operation&&) = default;
    composed_operation& operator=(composed_operation&&) = delete;

    template <boost::asio::completion_token_for<Signature> Token>
    auto operator()(Token&& token) && {
        return boost::asio::async_initiate<Token, Signature>(std::move(initiation_), token,
                                                             std::move(inputs_));
    }

private:
    [[no_unique_address]] Initiation initiation_;
    [[no_unique_address]] Inputs inputs_;
};

} // namespace detail

/// What `composed<T>(f, …)` makes: a factory of children.
template <class T, class F, class... IoObjects>
class composed_t {
    using signature = typename detail::composed_signature<T>::type;

public:
    template <class G, class... Ios>
    constexpr explicit composed_t(std::in_place_t, G&& f, Ios&&... ios)
        : function_(std::forward<G>(f)), io_objects_(std::forward<Ios>(ios)...) {}

    /// A child: what `f` takes by value is copied now, what it takes by reference must outlive the child.
    template <class... Inputs>
        requires std::is_invocable_v<F&, detail::any_state, Inputs...>
    auto operator()(Inputs&&... inputs) & {
        return make(function_, std::forward<Inputs>(inputs)...);
    }
    template <class... Inputs>
        requires std::is_invocable_v<F const&, detail::any_state, Inputs...>
    auto operator()(Inputs&&... inputs) const& {
        return make(function_, std::forward<Inputs>(inputs)...);
    }
    /// Refused: the child would outlive its function.
    template <class... Inputs>
    void operator()(Inputs&&... inputs) && = delete;
    template <class... Inputs>
    void operator()(Inputs&&... inputs) const&& = delete;

private:
    template <class G, class... Inputs>
    auto make(G& f, Inputs&&... inputs) const {
        using initiation = detail::initiate_composed<T, G, IoObjects...>;
        using kept = detail::composed_inputs_t<G, Inputs...>;
        return detail::composed_operation<signature, initiation, kept>(initiation{&f, io_objects_},
                                                                       std::forward<Inputs>(inputs)...);
    }

    F function_;
    [[no_unique_address]] std::tuple<IoObjects...> io_objects_;
};

/// Makes a factory of children from a coroutine that is an operation: Asio's `co_composed`.
///
///     auto child = fanout::composed<void>([&](auto state, video const& v) -> void {
///         co_await table.async_append_view(v, asio::deferred);
///     });
///     co_await fanout::when_all(rows, child, fanout::limit(64));
///
/// @tparam T What a child yields; may be void. Or a completion signature `void(error_code, Ts…)`.
/// @param f The coroutine. Its first parameter is `auto state`, co_composed's state; the others are the inputs. Its
///   return type is written, `-> void`. In it, only Asio operations can be awaited (`asio::deferred`; no awaitables).
///   It ends by `co_return value;`; for void by its end; for a signature by `co_return {error, values…};`.
/// @param io_objects Executors, or I/O objects with executors, on which work is kept outstanding while a child runs.
///   A fan-out does that itself: with one, none is needed.
/// @returns A factory: called with inputs it makes a lazy, move-only operation that completes with
///   `void(std::exception_ptr, T)`, or with the signature.
/// @par Errors
///   What escapes from `f` is what the child completes with: the exception, or for a signature of `error_code` its code
///   (`errc::exception` for one that has none). T must be default-constructible, as there is none beside an error.
/// @par Per-operation cancellation
///   As co_composed has it. `terminal` reaches the operation that is awaited, and the next that would be awaited
///   completes the child with `operation_aborted` in place of starting. `partial` and `total`: after
///   `state.reset_cancellation_state(…)`.
/// @par Executor
///   The handler's: in a fan-out, that of its children.
/// @par Lifetimes
///   Parameters are as any coroutine's: by value they are copied when the child is made; what is taken by reference
///   must outlive the child, as the inputs of a fan-out do. So must the factory, which holds `f`.
/// @par Complexity
///   One allocation per child, with the handler's associated allocator, else Asio's recycled memory.
template <class T, class F, class... IoObjects>
[[nodiscard]] constexpr auto composed(F&& f, IoObjects const&... io_objects) {
    detail::refuse_unsafe_closure<F>();
    return composed_t<T, std::decay_t<F>, detail::io_executor_t<IoObjects>...>(
        std::in_place, std::forward<F>(f), detail::io_executor(io_objects)...);
}

} // namespace fanout
