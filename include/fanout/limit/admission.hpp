// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a limit is that many calls can share: who may start now.

#include <fanout/limit/feedback.hpp>

#include <concepts>
#include <cstddef>

namespace fanout {

/// A limit that gives out permits. `semaphore`, `rate`, `adaptive` and `pool` are admissions; write one of your own
/// where you know better who may start (docs/how-to/write-a-limit.md has one in 30 lines).
///
/// A fan-out calls, from its own executor; with `on(executor)` from several threads at once, so that a limit
/// then locks:
/// - `l.try_acquire()`: a permit, or an empty one;
/// - `l.async_acquire(handler)`: when that was empty. An Asio operation that completes with `(error_code,
///   permit_type)` or `(std::exception_ptr, permit_type)`, never before the call returns, on the handler's
///   associated executor; it heeds the handler's cancellation slot. A fan-out has at most one such call under
///   way. Where it completes with an error, or throws, the next input is rejected with that;
/// - `p.release(feedback)`: its child has settled, or did not run (`feedback::ended` is `not_started`).
///
/// Beside these, where they are there:
/// - `p.renew(feedback, own_waiters)`: ends one use of the permit and begins the next. False: it was released,
///   because someone else waits, or the limit became lower. Without it every child takes a permit of its own;
/// - `L::acquired_last`: true where a permit is spent rather than held, such as a token: it is taken after all
///   others, and a child may ask for another one;
/// - `l.limit()`: how many children it lets be in flight now; told to observers;
/// - `L::wants_latency`: true where the feedback's latency is used, and so is measured;
/// - `permit_type::resource_type`, `p.resource()`, `p.make()`: as those of `pool`'s permit, for a permit that carries
///   something for the factory.
///
/// A permit is movable, and empty when it is default constructed. One that counts releases itself when it is
/// destroyed, for a context may end in the middle of a fan-out.
template <class L>
concept admission =
    requires { typename L::permit_type; } && std::default_initializable<typename L::permit_type> &&
    std::movable<typename L::permit_type> && requires(L& l, typename L::permit_type& p, feedback const& f) {
        { l.try_acquire() } -> std::same_as<typename L::permit_type>;
        static_cast<bool>(p);
        p.release(f);
    };

namespace detail {

template <class Permit>
concept renewable = requires(Permit& p, feedback const& f, std::size_t n) {
    { p.renew(f, n) } -> std::same_as<bool>;
};

/// A permit that carries something for the factory.
template <class Permit>
concept carries_resource = requires(Permit& p) {
    typename Permit::resource_type;
    p.resource();
    p.make();
};

template <class L>
concept tells_limit = requires(L const& l) {
    { l.limit() } -> std::convertible_to<std::size_t>;
};

template <class L>
inline constexpr bool uses_latency = false;
template <class L>
    requires requires { L::wants_latency; }
inline constexpr bool uses_latency<L> = L::wants_latency;

template <class L>
inline constexpr bool is_acquired_last = false;
template <class L>
    requires requires { L::acquired_last; }
inline constexpr bool is_acquired_last<L> = L::acquired_last;

} // namespace detail
} // namespace fanout
