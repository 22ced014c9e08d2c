// SPDX-License-Identifier: BSL-1.0
#pragma once

// Refuses functions among a combinator's arguments that cannot be called as they will be: with what is known only
// where they meet the inputs and the children.

#include <fanout/detail/joint_admission.hpp>
#include <fanout/detail/key_gate.hpp>
#include <fanout/detail/limit_parts.hpp>
#include <fanout/detail/retry_rules.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/retry/policy.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>

namespace fanout::detail {

/// What tells how long to sleep: a duration, or an optional one.
template <class Rep, class Period>
void take_duration(std::chrono::duration<Rep, Period>);
template <class D>
concept duration_like = requires(D const& d) { take_duration(d); };
template <class D>
inline constexpr bool is_delay = duration_like<D>;
template <class D>
inline constexpr bool is_delay<std::optional<D>> = duration_like<D>;

template <class F, class Outcome>
concept predicate_of = requires(F& f, Outcome const& o) {
    { f(o) } -> std::convertible_to<bool>;
};
template <class F, class Outcome>
concept delay_of =
    requires(F& f, Outcome const& o) { requires is_delay<std::remove_cvref_t<decltype(f(o))>>; };

template <class Hint, class Outcome>
inline constexpr bool tells_delay = true;
template <class F, class Outcome>
inline constexpr bool tells_delay<delay_hint_t<F>, Outcome> = delay_of<F, Outcome>;

template <class Notice, class Outcome>
inline constexpr bool takes_event = requires(Notice& f, retry_event const& e, Outcome const& o) { f(e, o); };
template <class Outcome>
inline constexpr bool takes_event<no_notice, Outcome> = true;

/// Refuses what the rules of a retry cannot ask about these outcomes. (In these checks each rule has a name, since
/// clang shows the rule before the sentence.)
template <class Rules, class... Outcomes>
struct check_rules {
    static consteval bool run() { return true; }
};
template <class Backoff, class Predicate, class Hint, class Notice, class Generator, class Budget,
          class... Outcomes>
struct check_rules<retry_rules<Backoff, Predicate, Hint, Notice, Generator, Budget>, Outcomes...> {
    static consteval bool run() {
        constexpr bool predicate = (... && predicate_of<Predicate, Outcomes>);
        static_assert(predicate,
                      "fanout: retry_if takes a function that is called with a settled<T> const&, T "
                      "being what a child yields, and returns a bool");
        constexpr bool hint = (... && tells_delay<Hint, Outcomes>);
        static_assert(
            hint, "fanout: delay_hint takes a function that is called with a settled<T> const&, T being what "
                  "a child yields, and returns a duration, or a std::optional of one");
        constexpr bool notice = (... && takes_event<Notice, Outcomes>);
        static_assert(notice,
                      "fanout: on_retry takes a function that is called with a retry_event const& and a "
                      "settled<T> const&, T being what a child yields");
        return predicate && hint && notice;
    }
};

template <class W, class Input>
concept weight_of = std::same_as<W, std::size_t> || requires(W const& w, Input const& input) {
    requires std::integral<std::remove_cvref_t<decltype(std::invoke(w, input))>>;
};

template <class Admission, class Input>
inline constexpr bool has_weight = true;
template <class W, class Input>
inline constexpr bool has_weight<weighted_admission<W>, Input> = weight_of<W, Input>;
template <class... Admissions, class Input>
inline constexpr bool has_weight<joint_admission<Admissions...>, Input> =
    (... && has_weight<Admissions, Input>);

/// What keys are looked up by.
template <class K>
concept key_type = hashable<K> || requires(K const& k) {
    { k < k } -> std::convertible_to<bool>;
};

template <class Keys, class Input>
inline constexpr bool takes_input = true;
template <class F, class Input>
inline constexpr bool takes_input<keyed_t<F>, Input> = std::is_invocable_v<F&, Input const&>;

template <class Keys, class Input>
inline constexpr bool has_key = true;
template <class F, class Input>
    requires takes_input<keyed_t<F>, Input>
inline constexpr bool has_key<keyed_t<F>, Input> = requires(std::invoke_result_t<F&, Input const&> (*key)()) {
    requires key_type<std::remove_cvref_t<decltype(key())>>;
    std::remove_cvref_t<decltype(key())>(key());
};

/// Refuses what a limit cannot ask of an input.
template <class Limits, class Input>
consteval bool check_asked() {
    constexpr bool weight = has_weight<decltype(Limits::admission), Input>;
    static_assert(weight, "fanout: weighted takes a number, or a function that is called, as const, with an "
                          "element of the inputs, as const, and returns a whole number");
    constexpr bool takes = takes_input<decltype(Limits::keys), Input>;
    static_assert(takes,
                  "fanout: keyed takes a function that is called with an element of the inputs, as const");
    constexpr bool key = has_key<decltype(Limits::keys), Input>;
    static_assert(key,
                  "fanout: what the function of keyed returns is copied, and has std::hash and ==, or <");
    return weight && takes && key;
}

} // namespace fanout::detail
