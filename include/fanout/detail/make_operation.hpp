// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a combinator's arguments to its operation: which of the three forms it is, and a job for it.

#include <fanout/detail/arguments.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/operation.hpp>
#include <fanout/detail/source.hpp>

#include <cstddef>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The factory of a range that holds the children themselves: takes them out.
struct take_child {
    template <class C>
    std::remove_cvref_t<C> operator()(C&& c) const {
        static_assert(!std::is_const_v<std::remove_reference_t<C>>,
                      "fanout: the children of a const range cannot be moved out of it");
        return std::move(c);
    }
};

template <class R>
concept range_of_children = std::ranges::input_range<R> && child<std::ranges::range_value_t<R>>;

/// How many of the leading arguments are children.
template <class... As>
consteval std::size_t count_children() {
    std::size_t n = 0;
    (void)(... && ((is_plain_argument<As> || is_retry_argument<As>) ? false : (++n, true)));
    return n;
}

template <class T>
inline constexpr bool storable_value =
    std::is_void_v<T> || (std::is_move_constructible_v<T> && !std::is_same_v<T, error_code> &&
                          !std::is_same_v<T, std::exception_ptr>);

/// The form `(inputs, factory, …)`, and that of a range of children with `take_child` as factory.
template <template <class, bool> class Sink, bool FailFast, class Inputs, class Factory, class Retry,
          class... As>
auto make_range_operation(Inputs&& inputs, Factory&& factory, Retry retry, As&&... as) {
    check_arguments<Retry::retries, As...>();
    refuse_unsafe_closure<Factory>();
    static_assert(!std::is_lvalue_reference_v<Inputs> || !std::ranges::view<std::remove_cvref_t<Inputs>> ||
                      std::copyable<std::remove_cvref_t<Inputs>>,
                  "fanout: a move-only view is given as an lvalue: std::move it");
    using source = range_source<std::views::all_t<Inputs>, Retry::retries>;
    using factory_type = std::decay_t<Factory>;
    static_assert(std::is_invocable_v<factory_type&, typename source::input>,
                  "fanout: the factory cannot be called with an element of the inputs");
    using made = std::invoke_result_t<factory_type&, typename source::input>;
    static_assert(child<made>,
                  "fanout: the factory must return a boost::asio::awaitable or an Asio operation "
                  "(as async_xxx(..., boost::asio::deferred) does)");
    using value = child_value_t<made>;
    static_assert(storable_value<value>,
                  "fanout: what a child yields must be movable, and neither an error_code nor an "
                  "exception_ptr, which Outcome could not tell from its errors");
    using sink = Sink<value, yields_outcome<made>>;
    auto settings = make_settings(std::forward<As>(as)...);
    using job = range_job<source, factory_type, sink, FailFast, Retry, decltype(settings)>;
    return operation<job, typename sink::result>(job(source(std::views::all(std::forward<Inputs>(inputs))),
                                                     factory_type(std::forward<Factory>(factory)), sink(),
                                                     std::move(retry), std::move(settings)));
}

/// The form `(child, child, …)`.
template <template <bool, class...> class Sink, bool FailFast, std::size_t... Is, std::size_t... Js,
          class... As>
auto make_tuple_operation(std::index_sequence<Is...>, std::index_sequence<Js...>, std::tuple<As...> args) {
    constexpr auto n = sizeof...(Is);
    check_arguments<false, std::tuple_element_t<n + Js, std::tuple<As...>>...>();
    static_assert((... && child<std::tuple_element_t<Is, std::tuple<As...>>>),
                  "fanout: a child must be a boost::asio::awaitable or an Asio operation (as "
                  "async_xxx(..., boost::asio::deferred) returns); or give a range of inputs and a factory");
    using children = std::tuple<std::remove_cvref_t<std::tuple_element_t<Is, std::tuple<As...>>>...>;
    using sink = Sink<(... || yields_outcome<std::tuple_element_t<Is, std::tuple<As...>>>),
                      child_value_t<std::remove_cvref_t<std::tuple_element_t<Is, std::tuple<As...>>>>...>;
    auto settings = make_settings(
        std::forward<std::tuple_element_t<n + Js, std::tuple<As...>>>(std::get<n + Js>(args))...);
    using job = tuple_job<sink, FailFast, decltype(settings),
                          std::remove_cvref_t<std::tuple_element_t<Is, std::tuple<As...>>>...>;
    return operation<job, typename sink::result>(
        job(std::move(settings),
            children(std::forward<std::tuple_element_t<Is, std::tuple<As...>>>(std::get<Is>(args))...)));
}

/// Tells the three forms apart.
template <template <class, bool> class RangeSink, template <bool, class...> class TupleSink, bool FailFast,
          class First, class... Rest>
auto make_operation(First&& first, Rest&&... rest) {
    if constexpr (range_of_children<First>) {
        return make_range_operation<RangeSink, FailFast>(std::forward<First>(first), take_child{}, no_retry{},
                                                         std::forward<Rest>(rest)...);
    } else if constexpr (std::ranges::input_range<First>) {
        static_assert(sizeof...(Rest) > 0,
                      "fanout: a range of inputs needs a factory that makes a child of each");
        return [&]<class Factory, class... As>(Factory&& factory, As&&... as) {
            return make_range_operation<RangeSink, FailFast>(std::forward<First>(first),
                                                             std::forward<Factory>(factory), no_retry{},
                                                             std::forward<As>(as)...);
        }(std::forward<Rest>(rest)...);
    } else {
        constexpr auto n = count_children<First, Rest...>();
        static_assert(n > 0, "fanout: nothing to run: give a range of inputs and a factory, or children");
        return make_tuple_operation<TupleSink, FailFast>(
            std::make_index_sequence<n>(), std::make_index_sequence<1 + sizeof...(Rest) - n>(),
            std::tuple<First&&, Rest&&...>(std::forward<First>(first), std::forward<Rest>(rest)...));
    }
}

} // namespace fanout::detail
