// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a combinator needs to know of a callable on GCC 12, which destroys the captures of some lambdas twice.

#include <fanout/detail/requirements.hpp>

#include <cstddef>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fanout {

/// What `named(std::move(f))` makes.
template <class F>
class named_t {
public:
    /// Moves `f` in.
    constexpr explicit named_t(F&& f) noexcept(std::is_nothrow_move_constructible_v<F>)
        : function_(std::move(f)) {}

    /// Calls it.
    template <class... Args>
        requires std::is_invocable_v<F&, Args...>
    constexpr decltype(auto) operator()(Args&&... args) {
        return std::invoke(function_, std::forward<Args>(args)...);
    }

private:
    F function_;
};

/// Says of a lambda that it has a name and was moved here. GCC before 13 destroys the captures of a lambda that
/// is written inside a `co_await` expression twice, so there a combinator refuses a temporary lambda whose
/// captures need a destructor, unless it is given like this:
///
///     auto write = [table](video const& v) { return table->append(v); };
///     co_await fanout::when_all(rows, fanout::named(std::move(write)));
///
/// @param f An rvalue: a lambda that has a name.
/// @returns A callable that does what `f` does.
/// @par Exception safety, lifetimes
///   `f` is moved in, which may throw what its move throws.
/// @par See also
///   docs/explanation/compiler-bugs.md
template <class F>
    requires(!std::is_lvalue_reference_v<F>)
constexpr named_t<F> named(F&& f) {
    return named_t<F>(std::move(f));
}

namespace detail {

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool closures_are_destroyed_twice = true;
#else
inline constexpr bool closures_are_destroyed_twice = false;
#endif

/// Whether T is the type of a lambda, which GCC names "…::<lambda(…)>".
template <class T>
consteval bool is_closure() {
#if defined(__GNUC__)
    std::string_view name = __PRETTY_FUNCTION__; // "… [with T = …]"
    if (!name.ends_with(">]")) {
        return false;
    }
    name.remove_suffix(1);
    std::size_t depth = 0;
    for (auto i = name.size(); i-- > 0;) { // back to where the last bracket opens
        depth += name[i] == '>' && (i == 0 || name[i - 1] != '-') ? 1 : 0;
        if (name[i] == '<' && --depth == 0) {
            return name.substr(i).starts_with("<lambda(");
        }
    }
#endif
    return false;
}

/// True for a callable that GCC before 13 would destroy twice: see `named`.
template <class F> // F as deduced for a forwarding reference
inline constexpr bool unsafe_closure =
    closures_are_destroyed_twice && !std::is_lvalue_reference_v<F> &&
    !std::is_trivially_destructible_v<std::remove_cvref_t<F>> && is_closure<std::remove_cvref_t<F>>();

template <class F>
consteval void refuse_unsafe_closure() {
    static_assert(
        !unsafe_closure<F>,
        "fanout: GCC before 13 destroys the captures of a lambda written inside a co_await expression "
        "twice. Give the lambda a name first, `auto f = [...]...;`, and pass `f` or "
        "`fanout::named(std::move(f))`");
}

} // namespace detail
} // namespace fanout
