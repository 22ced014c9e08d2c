// SPDX-License-Identifier: BSL-1.0
#pragma once

// retry_rejected: runs everything, and again what was rejected, a limited number of times.

#include <fanout/detail/make_operation.hpp>
#include <fanout/retry/policy.hpp>
#include <fanout/retry/retried.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace fanout {
namespace detail {

template <class T>
class retried_sink : public settled_sink<T> {
    using base = settled_sink<T>;

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
        base::value(i, std::forward<U>(v)...);
        ++attempts_[i];
    }
    void error(std::size_t i, error_code const& code, std::exception_ptr const& exception) noexcept {
        base::error(i, code, exception);
        ++attempts_[i];
    }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        base::fill(e.total);
        attempts_.resize(this->outcomes_.size());
        result r;
        r.outcomes = std::move(this->outcomes_);
        r.attempts = std::move(attempts_);
        return {e.source_error, std::move(r)};
    }

private:
    std::vector<std::uint32_t> attempts_;
};

template <class T, bool>
using retried_range_sink = retried_sink<T>;

template <bool, class... Ts>
class retried_children_sink : public tuple_settled_sink<Ts...> {
    using base = tuple_settled_sink<Ts...>;

public:
    using result = retried_children<Ts...>;

    template <std::size_t I, class... U>
    void value(std::integral_constant<std::size_t, I> which, U&&... v) {
        base::value(which, std::forward<U>(v)...);
        ++attempts_[I];
    }
    template <std::size_t I>
    void error(std::integral_constant<std::size_t, I> which, error_code const& code,
               std::exception_ptr const& e) noexcept {
        base::error(which, code, e);
        ++attempts_[I];
    }

    std::pair<std::exception_ptr, result> finish(ending&& e) {
        return {e.source_error, result{std::move(this->outcomes_), attempts_}};
    }

private:
    std::array<std::uint32_t, sizeof...(Ts)> attempts_{};
};

/// Without `retry_if`, whatever was rejected is worth another attempt.
struct retry_always {
    template <class Outcome>
    constexpr bool operator()(Outcome const&) const noexcept {
        return true;
    }
};

/// Which rejections are run again, and after which sleep.
template <class Backoff, class Predicate, class Generator>
class retry_rules {
public:
    static constexpr bool retries = true;

    retry_rules(retry_policy<Backoff> policy, Predicate predicate, Generator generator)
        : policy_(policy), predicate_(std::move(predicate)), generator_(std::move(generator)) {
        if (policy.max_attempts == 0) {
            throw std::invalid_argument(
                "fanout::retry_policy: max_attempts counts the first attempt, so it is at least 1");
        }
    }

    std::uint32_t max_attempts() const noexcept { return policy_.max_attempts; }

    template <class Outcome>
    bool may_retry(Outcome const& o) noexcept { // a predicate must not throw
        return predicate_(o);
    }

    /// The sleep after attempt number `attempt` was rejected.
    std::chrono::nanoseconds delay(std::uint32_t attempt) {
        return policy_.backoff.delay(attempt - 1, generator());
    }

private:
    auto& generator() noexcept {
        if constexpr (std::is_pointer_v<Generator>) {
            return *generator_;
        } else {
            return generator_;
        }
    }

    retry_policy<Backoff> policy_;
    [[no_unique_address]] Predicate predicate_;
    Generator generator_;
};

/// Makes the rules from a combinator's arguments.
struct with_retries {
    static constexpr bool retries = true;
    template <class... As>
    auto operator()(As&&... as) const {
        auto const policy = pick<retry_policy_kind>(retry_policy<>{}, std::forward<As>(as)...);
        auto predicate = [&] {
            if constexpr (count_of<retry_if_kind, As...> == 0) {
                return retry_always{};
            } else {
                return pick<retry_if_kind>(retry_always{}, std::forward<As>(as)...).take();
            }
        }();
        auto generator = [&] {
            if constexpr (count_of<jitter_from_kind, As...> == 0) {
                return std::minstd_rand(std::random_device{}());
            } else {
                return &pick<jitter_from_kind>(0, std::forward<As>(as)...).generator();
            }
        }();
        return retry_rules(policy, std::move(predicate), std::move(generator));
    }
};

} // namespace detail

/// Runs all children as `when_all_settled` does, and runs again those that were rejected, and only those.
///
///     auto r = co_await fanout::retry_rejected(
///         rows, write, fanout::retry_policy{.max_attempts = 4}, fanout::limit(64));
///     std::cout << r.retries() << " retries, " << r.failed() << " failed for good\n";
///     std::move(r).values(); // throws a rejected_error that lists every index that failed
///
/// @param first,rest What to run, in one of three forms. What is run again is always a factory, called anew for each
///   attempt: an awaitable that was awaited is spent.
///   - `inputs, factory`: an input range, borrowed as an lvalue, moved in as an rvalue, and a callable that makes a child
///     of each element. It gets an element that the range makes on the fly by const reference, since it may be needed again.
///   - callables without parameters that make a child each, of any types.
///   - a range of such callables.
///
///   Then a `retry_policy` (4 attempts with exponential backoff by default), and as for `when_all`; and `retry_if(f)`,
///   `jitter_from(generator)`. `options::attempt_timeout` is for each attempt; `options::deadline` covers all attempts and
///   sleeps: an input whose sleep would pass it ends at once with its last error.
/// @returns A lazy operation that completes with `retried<T>`, or with `retried_children<Ts…>` for the second form.
/// @par Errors
///   None for a child, see `retried::values()`. Never run again: what the caller cancelled, and what `retry_if` refuses.
/// @par Per-operation cancellation
///   As for `when_all_settled`; an input that sleeps ends with its last error.
/// @par Complexity
///   As for `when_all_settled`. A sleeping input holds neither permit nor lane, only a heap entry of some 40 bytes; all of
///   them wait for one timer.
template <class First, class... Rest>
[[nodiscard]] auto retry_rejected(First&& first, Rest&&... rest) {
    return detail::make_operation<detail::retried_range_sink, detail::retried_children_sink, false>(
        detail::with_retries{}, std::forward<First>(first), std::forward<Rest>(rest)...);
}

} // namespace fanout
