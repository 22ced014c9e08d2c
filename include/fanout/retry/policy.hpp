// SPDX-License-Identifier: BSL-1.0
#pragma once

// How often and after which sleep a rejected input is run again, and which rejections are worth it.

#include <fanout/named.hpp>
#include <fanout/retry/backoff.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace fanout {

/// How often an input is run, and how long it sleeps in between.
///
/// Trivially destructible, so that it may be written inside a `co_await` expression (GCC 12 destroys other
/// aggregates twice there).
///
///     fanout::retry_policy{.max_attempts = 4, .backoff = fanout::exponential{.base = 10ms}}
template <fanout::backoff Backoff = exponential>
struct retry_policy {
    std::uint32_t max_attempts = 4; ///< the first attempt included; at least 1, and 1 retries nothing
    Backoff backoff = Backoff{};    ///< the sleep before a retry; exponential with full jitter by default
};

namespace detail {

template <class T>
inline constexpr bool is_retry_policy = false;
template <class B>
inline constexpr bool is_retry_policy<retry_policy<B>> = true;

} // namespace detail

/// What `retry_if(f)` makes.
template <class F>
class retry_if_t {
public:
    /// Keeps `f`.
    constexpr explicit retry_if_t(F f) : predicate_(std::move(f)) {}
    /// Moves it out.
    constexpr F take() { return std::move(predicate_); }

private:
    F predicate_;
};

/// Only rejections for which `f(settled<T> const&)` is true are run again. Without it all are, but those that
/// the caller or a sibling cancelled, which never are.
///
/// @param f Called on the fan-out's executor, one call at a time, where there is an attempt left; it must not throw, nor
///   call back into the fan-out (as by cancelling it).
/// @returns An argument of `retry_rejected` and `retry`.
/// @par Lifetimes
///   `f` is copied or moved, and kept until the call has completed.
template <class F>
constexpr retry_if_t<std::decay_t<F>> retry_if(F&& f) {
    detail::refuse_unsafe_closure<F>();
    return retry_if_t<std::decay_t<F>>(std::forward<F>(f));
}

/// What `delay_hint(f)` makes.
template <class F>
class delay_hint_t {
public:
    /// See `delay_hint`.
    ///
    /// @throws std::invalid_argument where `at_most` is below 0.
    constexpr delay_hint_t(F f, std::chrono::nanoseconds at_most) : hint_(std::move(f)), at_most_(at_most) {
        if (at_most < std::chrono::nanoseconds::zero()) {
            throw std::invalid_argument("fanout::delay_hint: at_most must be at least 0");
        }
    }

    /// What is asked for after this outcome, within its bounds.
    template <class Outcome>
    std::optional<std::chrono::nanoseconds> operator()(Outcome const& o) {
        auto const asked = std::optional(hint_(o));
        return asked ? std::optional(clamp(*asked)) : std::nullopt;
    }

private:
    template <class Rep, class Period>
    std::chrono::nanoseconds clamp(std::chrono::duration<Rep, Period> asked) const {
        using nanoseconds = std::chrono::nanoseconds;
        if (!(asked > asked.zero())) {
            return nanoseconds::zero();
        }
        using seconds = std::chrono::duration<double>; // of which any duration is within range
        if (seconds(asked) >= seconds(at_most_)) {
            return at_most_;
        }
        return std::chrono::ceil<nanoseconds>(asked);
    }

    F hint_;
    std::chrono::nanoseconds at_most_;
};

/// The sleep that the server asked for replaces that of the backoff.
///
///     fanout::delay_hint([](fanout::settled<reply> const& o) { return retry_after(o); }, 2min)
///
/// @param f `f(settled<T> const&)` returns a `std::optional` of any `std::chrono::duration`, or such a duration. None:
///   the backoff says how long. Called on the fan-out's executor, one call at a time; it must not call back into the
///   fan-out. Where it throws, the input's last error stands.
/// @param at_most A longer hint is cut to this (5 minutes by default), one below 0 is 0: a server's mistake must not
///   park a job for a year. A sleep that would pass the deadline is not slept, as always.
/// @returns An argument of `retry_rejected` and `retry`.
/// @throws std::invalid_argument where `at_most` is below 0.
/// @par Lifetimes
///   `f` is copied or moved, and kept until the call has completed.
template <class F>
constexpr delay_hint_t<std::decay_t<F>>
delay_hint(F&& f, std::chrono::nanoseconds at_most = std::chrono::minutes(5)) {
    detail::refuse_unsafe_closure<F>();
    return delay_hint_t<std::decay_t<F>>(std::forward<F>(f), at_most);
}

/// What `on_retry(f)` makes.
template <class F>
class on_retry_t {
public:
    /// Keeps `f`.
    constexpr explicit on_retry_t(F f) : notice_(std::move(f)) {}
    /// Moves it out.
    constexpr F take() { return std::move(notice_); }

private:
    F notice_;
};

/// Calls `f(retry_event const&, settled<T> const&)` each time a rejected input goes to sleep and will be run again, with
/// what it was rejected with: for a log.
///
/// @param f Called on the fan-out's executor, one call at a time; it must not throw, block, or call back into the fan-out.
/// @returns An argument of `retry_rejected` and `retry`.
/// @par Lifetimes
///   `f` is copied or moved, and kept until the call has completed.
template <class F>
constexpr on_retry_t<std::decay_t<F>> on_retry(F&& f) {
    detail::refuse_unsafe_closure<F>();
    return on_retry_t<std::decay_t<F>>(std::forward<F>(f));
}

/// What `jitter_from(generator)` makes.
template <class Generator>
class jitter_from_t {
public:
    /// Refers to `g`.
    constexpr explicit jitter_from_t(Generator& g) noexcept : generator_(&g) {}
    /// The generator.
    constexpr Generator& generator() const noexcept { return *generator_; }

private:
    Generator* generator_;
};

/// Draws the jitter from `generator`: a seeded one makes the sleeps of a test the same each time.
///
/// @param generator It is used by one thread at a time.
/// @returns An argument of `retry_rejected` and `retry`.
/// @par Lifetimes
///   `generator` is borrowed, and must outlive the operation.
template <std::uniform_random_bit_generator Generator>
constexpr jitter_from_t<Generator> jitter_from(Generator& generator) noexcept {
    return jitter_from_t<Generator>(generator);
}

namespace detail {

/// In place of a value that cannot be made. Never called: the program does not compile.
template <class T>
T nothing();

template <class G>
concept lasting_generator =
    std::is_lvalue_reference_v<G> && std::uniform_random_bit_generator<std::remove_reference_t<G>>;

} // namespace detail

/// Anything else is refused: what is no generator, a temporary one, a const one.
///
/// @param generator No such generator.
/// @returns Nothing: the program does not compile.
/// @par Lifetimes
///   None.
template <class G>
    requires(!detail::lasting_generator<G>)
jitter_from_t<detail::minimal_generator> jitter_from([[maybe_unused]] G&& generator) {
    constexpr bool is_generator = detail::lasting_generator<G>;
    static_assert(is_generator,
                  "fanout: jitter_from takes a random generator that has a name and is not const, such as a "
                  "std::minstd_rand: the call draws from it until it ends");
    return detail::nothing<jitter_from_t<detail::minimal_generator>>();
}

} // namespace fanout
