// SPDX-License-Identifier: BSL-1.0
#pragma once

// How often and after which sleep a rejected input is run again, and which rejections are worth it.

#include <fanout/named.hpp>
#include <fanout/retry/backoff.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace fanout {

/// How often an input is run, and how long it sleeps in between.
///
/// Trivially destructible, so that it may be written inside a `co_await` expression (GCC 12 destroys other
/// aggregates twice there).
///
///     fanout::retry_policy{.max_attempts = 4, .backoff = fanout::exponential{.base = 10ms}}
template <class Backoff = exponential>
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
    constexpr explicit retry_if_t(F f) : predicate_(std::move(f)) {}
    constexpr F take() { return std::move(predicate_); }

private:
    F predicate_;
};

/// Only rejections for which `f(settled<T> const&)` is true are run again. Without it all are, but those that
/// the caller or a sibling cancelled, which never are.
///
/// `f` is called on the fan-out's executor, one call at a time; it must not throw.
template <class F>
constexpr retry_if_t<std::decay_t<F>> retry_if(F&& f) {
    detail::refuse_unsafe_closure<F>();
    return retry_if_t<std::decay_t<F>>(std::forward<F>(f));
}

/// What `jitter_from(generator)` makes.
template <class Generator>
class jitter_from_t {
public:
    constexpr explicit jitter_from_t(Generator& g) noexcept : generator_(&g) {}
    constexpr Generator& generator() const noexcept { return *generator_; }

private:
    Generator* generator_;
};

/// Draws the jitter from `generator`, which is borrowed and must outlive the operation: a seeded one makes the
/// sleeps of a test the same each time. It is used by one thread at a time.
template <std::uniform_random_bit_generator Generator>
constexpr jitter_from_t<Generator> jitter_from(Generator& generator) noexcept {
    return jitter_from_t<Generator>(generator);
}

} // namespace fanout
