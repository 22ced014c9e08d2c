// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a combinator's arguments to its operation: which of the three forms it is, and a job for it.

#include <fanout/detail/arguments.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/operation.hpp>
#include <fanout/detail/source.hpp>

#include <cstddef>
#include <functional>
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

/// A callable without parameters, or with the attempt for its only one, that makes a child.
template <class F, class Attempt>
concept child_factory = takes<Attempt, std::decay_t<F>> && child<made_of_t<Attempt, std::decay_t<F>>>;

/// The factory of a range that holds such callables: calls them.
struct call_element {
    template <class F, class... About>
        requires std::is_invocable_v<F&, About...>
    auto operator()(F& f, About const&... about) const {
        return std::invoke(f, about...);
    }
};

template <class R>
concept range_of_children = std::ranges::input_range<R> && child<std::ranges::range_value_t<R>>;

template <class R, class Attempt>
concept range_of_factories =
    std::ranges::input_range<R> && child_factory<std::ranges::range_value_t<R>, Attempt>;

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
    using source = range_source<kept_range_t<Inputs>, Retry::retries>;
    using factory_type = std::decay_t<Factory>;
    auto settings = make_settings(std::forward<As>(as)...);
    using permit = typename decltype(settings)::admission_type::permit_type;
    using made =
        typename maker<basic_attempt<clock_of<As...>>, factory_type, typename source::input, permit>::type;
    static_assert(child<made>,
                  "fanout: the factory must return a boost::asio::awaitable or an Asio operation "
                  "(as async_xxx(..., boost::asio::deferred) does)");
    using value = child_value_t<made>;
    static_assert(storable_value<value>,
                  "fanout: what a child yields must be movable, and neither an error_code nor an "
                  "exception_ptr, which Outcome could not tell from its errors");
    using sink = Sink<value, yields_outcome<made>>;
    using job = range_job<source, factory_type, sink, FailFast, Retry, decltype(settings)>;
    return operation<job, typename sink::result>(
        job(source(kept_range_t<Inputs>(std::forward<Inputs>(inputs))),
            factory_type(std::forward<Factory>(factory)), sink(), std::move(retry), std::move(settings)));
}

/// The form `(child, child, …)`; or `(factory, factory, …)`, where children are run again.
template <template <bool, class...> class Sink, bool FailFast, class Retry, std::size_t... Is,
          std::size_t... Js, class... As>
auto make_tuple_operation(Retry retry, std::index_sequence<Is...>, std::index_sequence<Js...>,
                          std::tuple<As...> args) {
    constexpr auto n = sizeof...(Is);
    using arguments = std::tuple<As...>;
    using attempt = basic_attempt<clock_of<std::tuple_element_t<n + Js, arguments>...>>;
    check_arguments<Retry::retries, std::tuple_element_t<n + Js, arguments>...>();
    (refuse_unsafe_closure<std::tuple_element_t<Is, arguments>>(), ...);
    if constexpr (Retry::retries) {
        static_assert(
            (... && child_factory<std::tuple_element_t<Is, arguments>, attempt>),
            "fanout: retry_rejected(f, g, ...) takes callables without parameters that make a child each: an "
            "awaitable that was awaited is spent, so only a factory can make another attempt");
    } else {
        static_assert(
            (... && child<std::tuple_element_t<Is, arguments>>),
            "fanout: a child must be a boost::asio::awaitable or an Asio operation (as "
            "async_xxx(..., boost::asio::deferred) returns); or give a range of inputs and a factory");
    }
    using parts = std::tuple<std::decay_t<std::tuple_element_t<Is, arguments>>...>;
    auto settings =
        make_settings(std::forward<std::tuple_element_t<n + Js, arguments>>(std::get<n + Js>(args))...);
    using asked = decltype(settings);
    static_assert(!asked::admission_type::by_input && std::is_same_v<typename asked::keys_type, no_keys> &&
                      !carries_resource<typename asked::admission_type::permit_type>,
                  "fanout: a keyed limit, a weight by input and a pool need a range of inputs and a factory");
    return
        []<class... Children>(std::type_identity<std::tuple<Children...>>, Retry&& r, auto&& s, parts&& p) {
            using sink = Sink<(... || yields_outcome<Children>), child_value_t<Children>...>;
            using job = tuple_job<sink, FailFast, Retry, std::remove_cvref_t<decltype(s)>,
                                  std::decay_t<std::tuple_element_t<Is, arguments>>...>;
            return operation<job, typename sink::result>(job(std::move(r), std::move(s), std::move(p)));
        }(std::type_identity<std::tuple<typename part_child<
              Retry::retries, attempt, std::decay_t<std::tuple_element_t<Is, arguments>>>::type...>>{},
          std::move(retry), std::move(settings),
          parts(std::forward<std::tuple_element_t<Is, arguments>>(std::get<Is>(args))...));
}

/// Makes the rules of `no_retry` from a combinator's arguments.
struct without_retries {
    static constexpr bool retries = false;
    template <class... As>
    no_retry operator()(As const&...) const noexcept {
        return {};
    }
};

/// Tells the three forms apart. `rules(arguments…)` says whether, and how, children are run again.
template <template <class, bool> class RangeSink, template <bool, class...> class TupleSink, bool FailFast,
          class Rules, class First, class... Rest>
auto make_operation(Rules rules, First&& first, Rest&&... rest) {
    if constexpr (range_of_children<First>) {
        static_assert(
            !Rules::retries,
            "fanout: retry_rejected takes a range of inputs and a factory, or of callables: an awaitable "
            "that was awaited is spent, so only a factory can make another attempt");
        if constexpr (!Rules::retries) {
            return make_range_operation<RangeSink, FailFast>(std::forward<First>(first), take_child{},
                                                             rules(std::forward<Rest>(rest)...),
                                                             std::forward<Rest>(rest)...);
        }
    } else if constexpr (Rules::retries && count_children<Rest...>() == 0 &&
                         range_of_factories<First, basic_attempt<clock_of<Rest...>>>) {
        return make_range_operation<RangeSink, FailFast>(std::forward<First>(first), call_element{},
                                                         rules(std::forward<Rest>(rest)...),
                                                         std::forward<Rest>(rest)...);
    } else if constexpr (std::ranges::input_range<First>) {
        static_assert(sizeof...(Rest) > 0,
                      "fanout: a range of inputs needs a factory that makes a child of each");
        return [&]<class Factory, class... As>(Factory&& factory, As&&... as) {
            return make_range_operation<RangeSink, FailFast>(
                std::forward<First>(first), std::forward<Factory>(factory), rules(std::forward<As>(as)...),
                std::forward<As>(as)...);
        }(std::forward<Rest>(rest)...);
    } else {
        constexpr auto n = count_children<First, Rest...>();
        static_assert(n > 0, "fanout: nothing to run: give a range of inputs and a factory, or children");
        return [&]<std::size_t... Js>(std::index_sequence<Js...> arguments) {
            auto all = std::forward_as_tuple(std::forward<First>(first), std::forward<Rest>(rest)...);
            return make_tuple_operation<TupleSink, FailFast>(rules(std::get<n + Js>(std::move(all))...),
                                                             std::make_index_sequence<n>(), arguments,
                                                             std::move(all));
        }(std::make_index_sequence<1 + sizeof...(Rest) - n>());
    }
}

} // namespace fanout::detail
