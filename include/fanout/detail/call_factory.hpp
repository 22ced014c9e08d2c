// SPDX-License-Identifier: BSL-1.0
#pragma once

// Calls a factory with what it takes: the input, the pool's resource where there is one, and, where it wants
// it, what is known of the attempt.

#include <functional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Where no factory of a fan-out takes the attempt, nothing is kept of it.
struct no_attempt {};

/// A factory that can take the attempt gets it, so that none which may go without misses it unnoticed.
template <class Attempt, class F, class... Args>
inline constexpr bool takes_attempt = std::is_invocable_v<F&, Args..., Attempt const&>;

template <class Attempt, class F, class... Args>
inline constexpr bool takes = std::is_invocable_v<F&, Args...> || takes_attempt<Attempt, F, Args...>;

/// `about` is not looked at where the factory does not take it.
template <class Attempt, class F, class About, class... Args>
decltype(auto) call_factory(F& f, [[maybe_unused]] About const& about, Args&&... args) {
    if constexpr (takes_attempt<Attempt, F, Args...>) {
        return std::invoke(f, std::forward<Args>(args)..., about);
    } else {
        return std::invoke(f, std::forward<Args>(args)...);
    }
}

template <class Attempt, class F, class... Args>
struct made_of {
    using type = decltype(call_factory<Attempt>(std::declval<F&>(), std::declval<Attempt const&>(),
                                                std::declval<Args>()...));
};

/// What the factory returns; a hard error where it cannot be called.
template <class Attempt, class F, class... Args>
using made_of_t = typename made_of<Attempt, F, Args...>::type;

} // namespace fanout::detail
