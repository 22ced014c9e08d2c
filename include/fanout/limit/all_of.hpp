// SPDX-License-Identifier: BSL-1.0
#pragma once

// Several limits for one call: a child starts when each of them lets it.

#include <fanout/detail/limit_parts.hpp>
#include <fanout/limit/admission.hpp>
#include <fanout/limit/window.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout {

/// What `all_of(a, b, …)` makes: values, and references to limits that are shared.
template <class... Limits>
class all_of_t {
public:
    /// Keeps values, and refers to what is a reference.
    explicit all_of_t(Limits... limits) : limits_(std::forward<Limits>(limits)...) {}

    /// The limits, as they were given.
    std::tuple<Limits...>& limits() noexcept { return limits_; }

private:
    std::tuple<Limits...> limits_;
};

/// Each of several limits.
///
///     co_await fanout::when_all(rows, write, fanout::all_of(fanout::limit(64), writes_per_second, connections));
///
/// Shared limits are taken in one order everywhere, whatever order they are written in, so that two calls with
/// the same limits cannot wait for each other (unless one runs inside a permit of the other's limit); a rate is
/// taken last, so that no token is spent on waiting. While a child waits for one limit it holds its permits of
/// those before. Where one refuses, or the call is cancelled, all are given back. At most one limit may be
/// keyed, and one carry a resource for the factory.
///
/// @param limits Any limits. Shared ones are lvalues.
/// @returns A limit for one call, which refers to the shared ones.
/// @par Errors
///   The same limit twice: `std::invalid_argument`, from the call that it is given to. Otherwise those of the limits.
/// @par Lifetimes
///   Shared limits are borrowed, and must outlive the call; what is a value is copied or moved.
/// @par See also
///   docs/reference/limits.md: what each limit does with what the others refuse.
template <class... Limits>
auto all_of(Limits&&... limits) {
    static_assert(sizeof...(Limits) > 0, "fanout: all_of needs a limit");
    constexpr bool limits_only = (... && detail::is_limit<std::remove_cvref_t<Limits>>);
    static_assert(limits_only, "fanout: an argument of all_of is no limit");
    constexpr bool shared = detail::check_shared_limits<Limits...>();
    if constexpr (limits_only && shared) {
        return all_of_t<std::conditional_t<admission<std::remove_cvref_t<Limits>>, Limits,
                                           std::remove_cvref_t<Limits>>...>(std::forward<Limits>(limits)...);
    } else {
        return unlimited; // so that there is one error only
    }
}

namespace detail {

template <class... Limits>
inline constexpr bool is_limit<all_of_t<Limits...>> = true;

template <class... Limits>
struct limit_parts_of<all_of_t<Limits...>> {
    static auto get(all_of_t<Limits...>& l) {
        return std::apply([](auto&... each) { return join_parts(parts_of(each)...); }, l.limits());
    }
};

} // namespace detail
} // namespace fanout
