// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a combinator's arguments to its operation: which of the three forms it is, and a job for it.

#include <fanout/detail/arguments.hpp>
#include <fanout/detail/check_callables.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/operation.hpp>
#include <fanout/detail/refused.hpp>
#include <fanout/detail/source.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The factory of a range that holds the children themselves: takes them out.
struct take_child {
    template <class C>
    std::remove_cvref_t<C> operator()(C&& c) const {
        return std::move(c);
    }
};

/// A callable without parameters, or with the attempt for its only one, that makes a child.
template <class F, class Attempt>
concept child_factory = takes<Attempt, std::decay_t<F>> && child<made_of_t<Attempt, std::decay_t<F>>>;

/// What the form without a range of inputs takes.
template <class P, bool Retries, class Attempt>
concept part = (Retries || child<P>) && (!Retries || child_factory<P, Attempt>);

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

/// Whether a range, as it is kept, hands out const elements.
template <class R>
inline constexpr bool hands_out_const = false;
template <std::ranges::viewable_range R>
inline constexpr bool hands_out_const<R> =
    std::is_const_v<std::remove_reference_t<typename range_source<kept_range_t<R>, false>::input>>;

/// How many of the leading arguments are children.
template <class... As>
consteval std::size_t count_children() {
    std::size_t n = 0;
    (void)(... && (is_argument<As> ? false : (++n, true)));
    return n;
}

/// Whether a factory stands right behind the inputs. It may have an observer's hooks as well.
template <class Inputs, class... Rest>
inline constexpr bool factory_comes_first = false;
template <class Inputs, class F, class... Rest>
inline constexpr bool factory_comes_first<Inputs, F, Rest...> =
    !is_argument<F> ||
    takes<basic_attempt<clock_of<Rest...>>, std::decay_t<F>, std::ranges::range_reference_t<Inputs>>;

/// Refuses children whose values could not be kept. `Outcomes`: where they would become outcomes.
template <bool Outcomes, class... Children>
consteval bool check_values() {
    constexpr bool no_references = (... && !std::is_reference_v<child_value_t<Children>>);
    static_assert(no_references,
                  "fanout: a child yields a reference, which no result can hold: let it yield a "
                  "pointer or a std::reference_wrapper");
    constexpr bool movable = (... && (std::is_void_v<child_value_t<Children>> ||
                                      std::is_move_constructible_v<child_value_t<Children>>));
    static_assert(movable,
                  "fanout: what a child yields must be movable: let it yield a std::unique_ptr of it");
    constexpr bool no_errors =
        !Outcomes || (... && (!std::is_same_v<child_value_t<Children>, error_code> &&
                              !std::is_same_v<child_value_t<Children>, std::exception_ptr>));
    static_assert(no_errors,
                  "fanout: a child yields an error_code or an exception_ptr, which an outcome could "
                  "not tell from its errors: let it throw, or yield an Outcome result");
    return no_references && movable && no_errors;
}

/// Refuses factories that are given by name and cannot be copied.
template <class... Factories>
consteval bool check_copied() {
    constexpr bool copied = (... && std::is_constructible_v<std::decay_t<Factories>, Factories>);
    static_assert(copied, "fanout: the factory cannot be copied: give it as fanout::named(std::move(f))");
    return copied;
}

/// Refuses a factory that cannot be kept or called, or makes no child of an input (and a pool's resource).
template <class Attempt, class Factory, class Input, class... Resource>
consteval bool check_factory() {
    using factory = std::decay_t<Factory>;
    refuse_unsafe_closure<Factory>();
    constexpr bool copied = check_copied<Factory>();
    constexpr bool callable = takes<Attempt, factory, Input, Resource...>;
    static_assert(callable || sizeof...(Resource) > 0,
                  "fanout: the factory cannot be called with an element of the inputs");
    static_assert(callable || sizeof...(Resource) == 0,
                  "fanout: with a pool the factory is called with an input and a resource of the pool");
    if constexpr (copied && callable) {
        constexpr bool makes_child = child<made_of_t<Attempt, factory, Input, Resource...>>;
        static_assert(makes_child,
                      "fanout: the factory must return a boost::asio::awaitable or an Asio operation "
                      "(as async_xxx(..., boost::asio::deferred) does)");
        if constexpr (makes_child) {
            return check_values<true, made_of_t<Attempt, factory, Input, Resource...>>();
        }
    }
    return false;
}
template <class Attempt, class Factory, class Input, class Permit>
consteval bool check_factory_with() {
    if constexpr (carries_resource<Permit>) {
        return check_factory<Attempt, Factory, Input, typename Permit::resource_type&>();
    } else {
        return check_factory<Attempt, Factory, Input>();
    }
}

/// Refuses what is wrong with a sink for reasons of its own.
template <class Sink>
consteval bool check_sink() {
    if constexpr (requires { Sink::check(); }) {
        return Sink::check();
    } else {
        return true;
    }
}

/// The form `(inputs, factory, …)`, and that of a range of children with `take_child` as factory.
template <template <class, bool> class Sink, bool FailFast, class Inputs, class Factory, class Rules,
          class... As>
auto make_range_operation(Inputs&& inputs, Factory&& factory, Rules rules, As&&... as) {
    constexpr bool lasting = !std::is_lvalue_reference_v<Inputs> ||
                             !std::ranges::view<std::remove_cvref_t<Inputs>> ||
                             std::copyable<std::remove_cvref_t<Inputs>>;
    static_assert(lasting, "fanout: a move-only view is given as an lvalue: std::move it");
    constexpr bool kept = std::ranges::viewable_range<Inputs>;
    static_assert(
        kept || !lasting,
        "fanout: a temporary that is const, or an initializer_list, cannot be moved into the operation: give "
        "the inputs a name");
    if constexpr (!lasting || !kept || !check_arguments<Rules::retries, As...>()) {
        return refused{};
    } else {
        using source = range_source<kept_range_t<Inputs>, Rules::retries>;
        using factory_type = std::decay_t<Factory>;
        using attempt = basic_attempt<clock_of<As...>>;
        using settings = decltype(make_settings(std::forward<As>(as)...));
        using permit = typename settings::admission_type::permit_type;
        if constexpr (!check_factory_with<attempt, Factory, typename source::input, permit>()) {
            return refused{};
        } else {
            using made = typename maker<attempt, factory_type, typename source::input, permit>::type;
            using sink = Sink<child_value_t<made>, yields_outcome<made>>;
            using rules_type = decltype(rules(std::forward<As>(as)...));
            using element = std::remove_reference_t<typename source::input>;
            if constexpr (!check_sink<sink>() || !check_asked<decltype(settings::limits), element>() ||
                          !check_rules<rules_type, settled<child_value_t<made>>>::run()) {
                return refused{};
            } else {
                auto retry = rules(std::forward<As>(as)...);
                auto all = make_settings(std::forward<As>(as)...);
                using job = range_job<source, factory_type, sink, FailFast, decltype(retry), settings>;
                return operation<job, typename sink::result>(job(
                    source(kept_range_t<Inputs>(std::forward<Inputs>(inputs))),
                    factory_type(std::forward<Factory>(factory)), sink(), std::move(retry), std::move(all)));
            }
        }
    }
}

/// Refuses what is no child; or, where children are run again, no factory of one.
template <bool Retries, bool FailFast, class Attempt, class... Parts>
consteval bool check_parts() {
    constexpr bool right = (... && part<Parts, Retries, Attempt>);
    constexpr bool any_range = (... || std::ranges::input_range<Parts>);
    constexpr bool no_bare_values = check_bare_values_unless<right, Parts...>();
    static_assert(
        right || any_range || !no_bare_values || !Retries,
        "fanout: retry_rejected(f, g, ...) takes callables without parameters that make a child each: an "
        "awaitable that was awaited is spent, so only a factory can make another attempt");
    static_assert(right || any_range || !no_bare_values || Retries,
                  "fanout: a child must be a boost::asio::awaitable or an Asio operation (as "
                  "async_xxx(..., boost::asio::deferred) returns); or give a range of inputs and a factory");
    static_assert(right || !any_range || !no_bare_values, "fanout: the inputs come first, then the factory");
    if constexpr (!right) {
        return false;
    } else if constexpr (Retries) {
        (refuse_unsafe_closure<Parts>(), ...);
        return check_copied<Parts...>() && check_values<true, made_of_t<Attempt, std::decay_t<Parts>>...>();
    } else {
        constexpr bool given = (... && std::is_constructible_v<std::decay_t<Parts>, Parts>);
        static_assert(given, "fanout: a child that has a name can be awaited once only: std::move it");
        return given && check_values<!FailFast || (... || yields_outcome<Parts>), Parts...>();
    }
}

template <template <bool, class...> class Sink, class... Children>
using tuple_sink_t = Sink<(... || yields_outcome<Children>), child_value_t<Children>...>;

/// The form `(child, child, …)`; or `(factory, factory, …)`, where children are run again.
template <template <bool, class...> class Sink, bool FailFast, class Rules, std::size_t... Is,
          std::size_t... Js, class... As>
auto make_tuple_operation(Rules rules, std::index_sequence<Is...>, std::index_sequence<Js...>,
                          std::tuple<As...> args) {
    constexpr auto n = sizeof...(Is);
    using arguments = std::tuple<As...>;
    using attempt = basic_attempt<clock_of<std::tuple_element_t<n + Js, arguments>...>>;
    if constexpr (!check_parts<Rules::retries, FailFast, attempt, std::tuple_element_t<Is, arguments>...>() ||
                  !check_arguments<Rules::retries, std::tuple_element_t<n + Js, arguments>...>()) {
        return refused{};
    } else {
        using parts = std::tuple<std::decay_t<std::tuple_element_t<Is, arguments>>...>;
        using settings = decltype(make_settings(std::declval<std::tuple_element_t<n + Js, arguments>>()...));
        constexpr bool no_inputs_asked = !settings::admission_type::by_input &&
                                         std::is_same_v<typename settings::keys_type, no_keys> &&
                                         !carries_resource<typename settings::admission_type::permit_type>;
        static_assert(
            no_inputs_asked,
            "fanout: a keyed limit, a weight by input and a pool need a range of inputs and a factory");
        using children = std::tuple<
            typename part_child<Rules::retries, attempt, std::tuple_element_t<Is, parts>>::type...>;
        using sink = tuple_sink_t<Sink, std::tuple_element_t<Is, children>...>;
        using rules_type = decltype(rules(std::declval<std::tuple_element_t<n + Js, arguments>>()...));
        if constexpr (!no_inputs_asked || !check_sink<sink>() ||
                      !check_rules<rules_type,
                                   settled<child_value_t<std::tuple_element_t<Is, children>>>...>::run()) {
            return refused{};
        } else {
            auto retry =
                rules(std::forward<std::tuple_element_t<n + Js, arguments>>(std::get<n + Js>(args))...);
            auto all = make_settings(
                std::forward<std::tuple_element_t<n + Js, arguments>>(std::get<n + Js>(args))...);
            using job = tuple_job<sink, FailFast, decltype(retry), settings,
                                  std::decay_t<std::tuple_element_t<Is, arguments>>...>;
            return operation<job, typename sink::result>(
                job(std::move(retry), std::move(all),
                    parts(std::forward<std::tuple_element_t<Is, arguments>>(std::get<Is>(args))...)));
        }
    }
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
        constexpr bool can_be_moved = !hands_out_const<First>;
        static_assert(can_be_moved, "fanout: the children of a const range cannot be moved out of it");
        if constexpr (!Rules::retries && can_be_moved) {
            return make_range_operation<RangeSink, FailFast>(std::forward<First>(first), take_child{}, rules,
                                                             std::forward<Rest>(rest)...);
        } else {
            return refused{};
        }
    } else if constexpr (Rules::retries && count_children<Rest...>() == 0 &&
                         range_of_factories<First, basic_attempt<clock_of<Rest...>>>) {
        return make_range_operation<RangeSink, FailFast>(std::forward<First>(first), call_element{}, rules,
                                                         std::forward<Rest>(rest)...);
    } else if constexpr (std::ranges::input_range<First>) {
        constexpr bool has_factory = factory_comes_first<First, Rest...>;
        static_assert(has_factory,
                      "fanout: a range of inputs needs a factory that makes a child of each, right "
                      "behind it; limits and other arguments come after that");
        if constexpr (has_factory) {
            return [&]<class Factory, class... As>(Factory&& factory, As&&... as) {
                return make_range_operation<RangeSink, FailFast>(std::forward<First>(first),
                                                                 std::forward<Factory>(factory), rules,
                                                                 std::forward<As>(as)...);
            }(std::forward<Rest>(rest)...);
        } else {
            return refused{};
        }
    } else {
        constexpr auto n = count_children<First, Rest...>();
        static_assert(n > 0, "fanout: nothing to run: give a range of inputs and a factory, or children");
        if constexpr (n > 0) {
            return [&]<std::size_t... Js>(std::index_sequence<Js...> arguments) {
                return make_tuple_operation<TupleSink, FailFast>(
                    rules, std::make_index_sequence<n>(), arguments,
                    std::forward_as_tuple(std::forward<First>(first), std::forward<Rest>(rest)...));
            }(std::make_index_sequence<1 + sizeof...(Rest) - n>());
        } else {
            return refused{};
        }
    }
}

} // namespace fanout::detail
