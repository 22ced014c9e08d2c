// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where outcomes go that may be followed by another attempt.

#include <fanout/detail/first_failures.hpp>
#include <fanout/detail/sink.hpp>
#include <fanout/retry/retried.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace fanout::detail {

/// `retry_rejected(inputs, factory)`: what became of each at last, how often it was run, and how it failed at
/// first.
template <class T>
class retried_sink : public settled_sink<T, true> {
    using base = settled_sink<T, true>;

public:
    using result = retried<T>;

    void reserve(std::size_t n) {
        base::reserve(n);
        attempts_.reserve(n);
    }
    void open(std::size_t i) {
        attempts_.reserve(i + 1 > attempts_.capacity() ? 2 * i + 1 : 0);
        base::open(i);
        attempts_.push_back(0);
    }
    template <class... U>
    void value(std::size_t i, U&&... v) {
        if constexpr (!std::is_void_v<T> && !std::is_nothrow_move_constructible_v<T>) {
            if (attempts_[i] == 1) { // should its move throw, the outcome would be gone
                firsts_.keep(i, this->outcomes_[i]);
            }
        }
        base::value(i, std::forward<U>(v)...);
        if (++attempts_[i] > 1) {
            firsts_.forget(i);
        }
    }
    void error(std::size_t i, error_code const& code, std::exception_ptr const& exception) noexcept {
        if (++attempts_[i] == 2 && !firsts_.has(i)) {
            firsts_.keep(i, this->outcomes_[i]);
        }
        base::error(i, code, exception);
    }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        base::fit(e.total);
        attempts_.resize(this->outcomes_.size());
        result r;
        r.outcomes = std::move(this->outcomes_);
        r.attempts = std::move(attempts_);
        r.first_failures = firsts_.take();
        return {e.source_error, std::move(r)};
    }

private:
    std::vector<std::uint32_t> attempts_;
    first_failures<> firsts_;
};

template <class T, bool>
using retried_range_sink = retried_sink<T>;

/// `retry_rejected(f, g, …)`
template <bool, class... Ts>
class retried_children_sink : public tuple_settled_sink<Ts...> {
    using base = tuple_settled_sink<Ts...>;

public:
    using result = retried_children<Ts...>;

    template <std::size_t I, class... U>
    void value(std::integral_constant<std::size_t, I> which, U&&... v) {
        base::value(which, std::forward<U>(v)...);
        if (++attempts_[I] > 1) {
            firsts_.forget(I);
        }
    }
    template <std::size_t I>
    void error(std::integral_constant<std::size_t, I> which, error_code const& code,
               std::exception_ptr const& e) noexcept {
        if (++attempts_[I] == 2) {
            firsts_.keep(I, base::outcome(which));
        }
        base::error(which, code, e);
    }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        return {e.source_error, result{std::move(this->outcomes_), attempts_, firsts_.take()}};
    }

private:
    std::array<std::uint32_t, sizeof...(Ts)> attempts_{};
    first_failures<> firsts_;
};

/// `retry(factory)`: the value, or what the last attempt threw; or, where the child tells its errors by
/// Outcome's types, its outcome.
template <class T, bool AsOutcome>
class single_sink : public settled_sink<T, true> {
    using base = settled_sink<T, true>;

public:
    using result = std::conditional_t<AsOutcome, settled<T>, T>;

    static consteval bool check() {
        constexpr bool has_empty = AsOutcome || std::is_void_v<T> || std::default_initializable<T>;
        static_assert(has_empty,
                      "fanout: retry completes with the child's own type, of which Asio wants an empty one "
                      "where it failed, and this type has none: return an Outcome result of it");
        return has_empty;
    }

    auto finish(ending&& e) {
        base::fill(1);
        auto& outcome = this->outcomes_.front();
        if constexpr (AsOutcome) {
            return std::pair<std::exception_ptr, result>(e.source_error, std::move(outcome));
        } else {
            auto thrown = std::move(e.source_error);
            if (!thrown && !outcome.has_value()) {
                auto [code, exception] = error_of(outcome);
                thrown = exception ? std::move(exception)
                                   : std::make_exception_ptr(boost::system::system_error(code));
            }
            if constexpr (std::is_void_v<T>) {
                return thrown;
            } else {
                return thrown ? std::pair<std::exception_ptr, result>(thrown, T())
                              : std::pair<std::exception_ptr, result>(nullptr,
                                                                      std::move(outcome).assume_value());
            }
        }
    }
};

} // namespace fanout::detail
