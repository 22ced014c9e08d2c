// SPDX-License-Identifier: BSL-1.0
#pragma once

// What retry_rejected completes with: outcomes, attempts, and the values or a list of what failed.

#include <fanout/error.hpp>
#include <fanout/outcome.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace fanout {
namespace detail {

template <class T>
void note_failure(std::vector<failure>& to, std::size_t index, std::uint32_t attempts, settled<T> const& o) {
    if (!o.has_value()) {
        to.push_back({index, attempts, o.has_error() ? o.error() : make_error_code(errc::exception),
                      o.has_exception() ? o.exception() : nullptr});
    }
}

template <class T>
value_or_monostate<T> take_value(settled<T>& o) {
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return std::move(o).assume_value();
    }
}

/// Attempts that were not the first of their input.
template <class Attempts>
std::size_t count_retries(Attempts const& attempts) noexcept {
    std::size_t n = 0;
    for (auto const a : attempts) {
        n += a > 1 ? a - 1 : 0;
    }
    return n;
}

} // namespace detail

/// What `retry_rejected` completes with.
template <class T>
class retried {
public:
    std::vector<settled<T>> outcomes;    ///< the last outcome of each input, in the order of the inputs
    std::vector<std::uint32_t> attempts; ///< how often each input was run; 0: never started

    /// Attempts that were not an input's first.
    std::size_t retries() const noexcept { return detail::count_retries(attempts); }

    /// Inputs that have no value.
    std::size_t failed() const noexcept {
        std::size_t n = 0;
        for (auto const& o : outcomes) {
            n += o.has_value() ? 0 : 1;
        }
        return n;
    }

    /// The values, in the order of the inputs; nothing for void.
    ///
    /// @throws rejected_error where any input has none: it lists every one of these.
    auto values() && {
        require_values();
        if constexpr (!std::is_void_v<T>) {
            std::vector<T> v;
            v.reserve(outcomes.size());
            for (auto& o : outcomes) {
                v.push_back(std::move(o).assume_value());
            }
            return v;
        }
    }

    /// Likewise, copied.
    auto values() const& {
        require_values();
        if constexpr (!std::is_void_v<T>) {
            std::vector<T> v;
            v.reserve(outcomes.size());
            for (auto const& o : outcomes) {
                v.push_back(o.assume_value());
            }
            return v;
        }
    }

private:
    void require_values() const {
        std::vector<failure> failures;
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            detail::note_failure(failures, i, attempts[i], outcomes[i]);
        }
        if (!failures.empty()) {
            throw rejected_error(std::move(failures), outcomes.size());
        }
    }
};

/// What `retry_rejected(f, g, …)` completes with.
template <class... Ts>
class retried_children {
public:
    std::tuple<settled<Ts>...> outcomes;                 ///< the last outcome of each
    std::array<std::uint32_t, sizeof...(Ts)> attempts{}; ///< how often each was run; 0: never started

    /// Attempts that were not a child's first.
    std::size_t retries() const noexcept { return detail::count_retries(attempts); }

    /// The values, in the order of the arguments; `std::monostate` for void.
    ///
    /// @throws rejected_error where any has none: it lists every one of these.
    std::tuple<detail::value_or_monostate<Ts>...> values() && {
        return std::apply(
            [this](auto&... o) {
                std::vector<failure> failures;
                std::size_t i = 0;
                ((detail::note_failure(failures, i, attempts[i], o), ++i), ...);
                if (!failures.empty()) {
                    throw rejected_error(std::move(failures), sizeof...(Ts));
                }
                return std::tuple<detail::value_or_monostate<Ts>...>(detail::take_value(o)...);
            },
            outcomes);
    }
};

} // namespace fanout
