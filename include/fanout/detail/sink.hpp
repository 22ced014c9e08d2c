// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where outcomes go: one sink for each promise, holding what the caller gets and nothing else.

#include <fanout/outcome.hpp>

#include <boost/config.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace fanout::detail {

/// How a fan-out ended, for its sink.
struct ending {
    std::exception_ptr source_error; ///< the source threw
    bool failed = false;             ///< fail-fast: a child was rejected, or not all inputs ran
    error_code code;                 ///< of the first failure
    std::exception_ptr exception;    ///< what the first failure threw
    std::size_t total = 0;           ///< inputs, the ones that never ran included

    std::exception_ptr thrown() const {
        if (source_error) {
            return source_error;
        }
        if (exception) {
            return exception;
        }
        return failed ? std::make_exception_ptr(boost::system::system_error(code)) : nullptr;
    }
};

// In place, since Outcome's converting constructors are off for a T that an error code converts to.
template <class T>
settled<T> failed_outcome(error_code code, std::exception_ptr exception) {
    settled<T> o(boost::outcome_v2::in_place_type<error_code>, code);
    if (exception) {
        boost::outcome_v2::hooks::override_outcome_exception(&o, std::move(exception));
    }
    return o;
}

template <class T>
settled<T> not_started_outcome() {
    return failed_outcome<T>(errc::not_started, nullptr);
}

/// Puts an outcome in the place of one that holds an error, which cannot throw; T need not be assignable. One that never
/// started holds nothing that had to be destroyed.
template <bool NeverStarted = false, class T>
void replace(settled<T>& place, settled<T>&& by) {
    static_assert(std::is_nothrow_destructible_v<settled<T>>);
    if constexpr (!NeverStarted) {
        std::destroy_at(&place);
    }
    try {
        std::construct_at(&place, std::move(by));
    } catch (...) { // T's move threw
        std::construct_at(&place, failed_outcome<T>(errc::exception, std::current_exception()));
        throw;
    }
}

/// `when_all(inputs, factory)`: the values, in the order of the inputs.
template <class T, bool AsOutcome>
class all_sink {
    // Values arrive in any order. A T that can be made empty is its own place; any other waits in an optional.
    // (vector<bool> has no places.)
    static constexpr bool direct = std::default_initializable<T> && std::movable<T> && !std::same_as<T, bool>;
    using place = std::conditional_t<direct, T, std::optional<T>>;

public:
    using result = std::conditional_t<AsOutcome, settled<std::vector<T>>, std::vector<T>>;

    void reserve(std::size_t n) { places_.reserve(n); }
    void open(std::size_t) { places_.emplace_back(); }

    template <class U>
    void value(std::size_t i, U&& v) {
        if constexpr (direct) {
            places_[i] = std::forward<U>(v);
        } else {
            places_[i].emplace(std::forward<U>(v));
        }
    }

    void error(std::size_t, error_code const&, std::exception_ptr const&) noexcept {}

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        if constexpr (AsOutcome) {
            if (!e.source_error && !e.failed) {
                return {nullptr, result(boost::outcome_v2::in_place_type<std::vector<T>>, values())};
            }
            auto outcome = e.failed ? failed_outcome<std::vector<T>>(e.code, e.exception)
                                    : not_started_outcome<std::vector<T>>();
            return {e.source_error, std::move(outcome)};
        } else {
            auto thrown = e.thrown();
            return {thrown, thrown ? result() : values()};
        }
    }

private:
    std::vector<T> values() {
        if constexpr (direct) {
            return std::move(places_);
        } else {
            std::vector<T> values;
            values.reserve(places_.size());
            for (auto& p : places_) {
                values.push_back(*std::move(p));
            }
            return values;
        }
    }

    std::vector<place> places_;
};

/// `when_all` over `void` children keeps nothing.
template <bool AsOutcome>
class all_sink<void, AsOutcome> {
public:
    using result = std::conditional_t<AsOutcome, settled<void>, void>;

    void reserve(std::size_t) noexcept {}
    void open(std::size_t) noexcept {}
    void value(std::size_t) noexcept {}
    void error(std::size_t, error_code const&, std::exception_ptr const&) noexcept {}

    auto finish(ending&& e) {
        if constexpr (AsOutcome) {
            using done = std::pair<std::exception_ptr, result>;
            return e.failed ? done(e.source_error, failed_outcome<void>(e.code, e.exception))
                            : done(e.source_error, result(boost::outcome_v2::in_place_type<void>));
        } else {
            return e.thrown();
        }
    }
};

/// `when_all_settled(inputs, factory)`: what became of each. `Again`: an input may be run more than once.
template <class T, bool Again = false>
class settled_sink {
public:
    using result = std::vector<settled<T>>;

    void reserve(std::size_t n) { fill(n); }
    void open(std::size_t i) {
        if (i >= filled_) [[unlikely]] {
            fill(i + 1);
        }
    }

    template <class... U>
    void value(std::size_t i, U&&... v) {
        replace<!Again>(outcomes_[i], settled<T>(boost::outcome_v2::in_place_type<T>, std::forward<U>(v)...));
    }

    void error(std::size_t i, error_code const& code, std::exception_ptr const& exception) noexcept {
        replace(outcomes_[i], failed_outcome<T>(code, exception));
    }

    settled<T> const& outcome(std::size_t i) const noexcept { return outcomes_[i]; }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        fit(e.total);
        return {e.source_error, std::move(outcomes_)};
    }

protected:
    void fit(std::size_t total) {
        fill(total);
        while (outcomes_.size() > total) { // the source has become shorter
            outcomes_.pop_back();
        }
    }

    BOOST_NOINLINE void fill(std::size_t total) {
        if (total > outcomes_.capacity()) {
            outcomes_.reserve((std::max)(total, 2 * outcomes_.capacity()));
        }
        if constexpr (std::is_void_v<T>) { // copies are made faster than each is made by itself
            outcomes_.insert(outcomes_.end(), total - (std::min)(total, filled_), not_started_outcome<T>());
        } else {
            for (error_code const code = errc::not_started; filled_ < total; ++filled_) {
                outcomes_.emplace_back(boost::outcome_v2::in_place_type<error_code>, code);
            }
        }
        filled_ = outcomes_.size();
    }

    std::vector<settled<T>> outcomes_;

private:
    std::size_t filled_ = 0; ///< the vector's size, which would be a division to ask for
};

/// `when_all(a, b, …)`: a tuple of the values.
template <bool AsOutcome, class... Ts>
class tuple_all_sink {
    using values = std::tuple<value_or_monostate<Ts>...>;

public:
    using result = std::conditional_t<AsOutcome, settled<values>, values>;

    static void reserve(std::size_t) noexcept {}
    static void open(std::size_t) noexcept {}

    template <std::size_t I, class... U>
    void value(std::integral_constant<std::size_t, I>, U&&... v) {
        std::get<I>(places_).emplace(std::forward<U>(v)...);
    }

    template <class Which>
    void error(Which, error_code const&, std::exception_ptr const&) noexcept {}

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        if constexpr (AsOutcome) {
            if (e.failed) {
                return {e.source_error, failed_outcome<values>(e.code, e.exception)};
            }
            return {e.source_error, result(boost::outcome_v2::in_place_type<values>, all())};
        } else {
            auto thrown = e.thrown();
            return {thrown, thrown ? values() : all()};
        }
    }

private:
    values all() {
        return std::apply([](auto&... p) { return values(*std::move(p)...); }, places_);
    }

    std::tuple<std::optional<value_or_monostate<Ts>>...> places_;
};

/// `when_all_settled(a, b, …)`: a tuple of what became of each.
template <class... Ts>
class tuple_settled_sink {
public:
    using result = std::tuple<settled<Ts>...>;

    static void reserve(std::size_t) noexcept {}
    static void open(std::size_t) noexcept {}

    template <std::size_t I, class... U>
    void value(std::integral_constant<std::size_t, I>, U&&... v) {
        using T = std::tuple_element_t<I, std::tuple<std::type_identity<Ts>...>>::type;
        replace(std::get<I>(outcomes_),
                settled<T>(boost::outcome_v2::in_place_type<T>, std::forward<U>(v)...));
    }

    template <std::size_t I>
    void error(std::integral_constant<std::size_t, I>, error_code const& code,
               std::exception_ptr const& exception) noexcept {
        using T = std::tuple_element_t<I, std::tuple<std::type_identity<Ts>...>>::type;
        replace(std::get<I>(outcomes_), failed_outcome<T>(code, exception));
    }

    template <std::size_t I>
    auto const& outcome(std::integral_constant<std::size_t, I>) const noexcept {
        return std::get<I>(outcomes_);
    }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        return {e.source_error, std::move(outcomes_)};
    }

protected:
    result outcomes_{not_started_outcome<Ts>()...};
};

} // namespace fanout::detail
