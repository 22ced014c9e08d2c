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

/// Notes the inputs that have no value, in the order of their index.
class failure_list {
public:
    explicit failure_list(std::vector<first_failure> const& firsts) noexcept
        : first_(firsts.begin()), end_(firsts.end()) {}

    template <class T>
    void note(std::size_t index, std::uint32_t attempts, settled<T> const& o) {
        if (o.has_value()) {
            return;
        }
        auto const [error, exception] = error_of(o);
        failure f{index, attempts, error, exception, error, exception};
        if (first_ != end_ && first_->index == index) {
            f.first_error = first_->error;
            f.first_exception = first_->exception;
            ++first_;
        }
        failures_.push_back(std::move(f));
    }

    std::vector<failure> take() && { return std::move(failures_); }

    /// @throws rejected_error where there are any.
    void none_of(std::size_t inputs) && {
        if (!failures_.empty()) {
            throw rejected_error(std::move(failures_), inputs);
        }
    }

private:
    std::vector<first_failure>::const_iterator first_, end_;
    std::vector<failure> failures_;
};

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

    /// The first error of each input that has no value and was rejected more than once, in the order of the inputs.
    std::vector<first_failure> first_failures;

    /// Every input that has no value: its attempts, its last error and its first; in the order of the inputs.
    std::vector<failure> failures() const { return list().take(); }

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
    ///
    /// @throws rejected_error likewise.
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
    detail::failure_list list() const {
        detail::failure_list failures(first_failures);
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            failures.note(i, attempts[i], outcomes[i]);
        }
        return failures;
    }
    void require_values() const { list().none_of(outcomes.size()); }
};

/// What `retry_rejected(f, g, …)` completes with.
template <class... Ts>
class retried_children {
public:
    std::tuple<settled<Ts>...> outcomes;                 ///< the last outcome of each
    std::array<std::uint32_t, sizeof...(Ts)> attempts{}; ///< how often each was run; 0: never started

    /// The first error of each child that has no value and was rejected more than once, in their order.
    std::vector<first_failure> first_failures;

    /// Every child that has no value: its attempts, its last error and its first; in their order.
    std::vector<failure> failures() const { return list().take(); }

    /// Attempts that were not a child's first.
    std::size_t retries() const noexcept { return detail::count_retries(attempts); }

    /// The values, in the order of the arguments; `std::monostate` for void.
    ///
    /// @throws rejected_error where any has none: it lists every one of these.
    std::tuple<detail::value_or_monostate<Ts>...> values() && {
        list().none_of(sizeof...(Ts));
        return std::apply(
            [](auto&... o) {
                return std::tuple<detail::value_or_monostate<Ts>...>(detail::take_value(o)...);
            },
            outcomes);
    }

private:
    detail::failure_list list() const {
        detail::failure_list failures(first_failures);
        std::apply(
            [&](auto const&... o) {
                std::size_t i = 0;
                ((failures.note(i, attempts[i], o), ++i), ...);
            },
            outcomes);
        return failures;
    }
};

} // namespace fanout
