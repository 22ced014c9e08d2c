// SPDX-License-Identifier: BSL-1.0
#pragma once

// retry_rejected: runs everything, and again what was rejected, a limited number of times.

#include <fanout/detail/make_operation.hpp>
#include <fanout/retry/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace fanout {

/// What `retry_rejected` completes with.
template <class T>
class retried {
public:
    std::vector<settled<T>> outcomes;    ///< the last outcome of each input, in the order of the inputs
    std::vector<std::uint32_t> attempts; ///< how often each input was run; 0: never started

    /// Attempts that were not an input's first.
    std::size_t retries() const noexcept {
        std::size_t n = 0;
        for (auto const a : attempts) {
            n += a > 1 ? a - 1 : 0;
        }
        return n;
    }

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
            auto const& o = outcomes[i];
            if (!o.has_value()) {
                failures.push_back({i, attempts[i],
                                    o.has_error() ? o.error() : make_error_code(errc::exception),
                                    o.has_exception() ? o.exception() : nullptr});
            }
        }
        if (!failures.empty()) {
            throw rejected_error(std::move(failures), outcomes.size());
        }
    }
};

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

template <class... As>
auto make_retry_rules(As&&... as) {
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

} // namespace detail

/// Runs all children as `when_all_settled` does, and runs again those that were rejected, and only those.
///
///     auto r = co_await fanout::retry_rejected(
///         rows, write, fanout::retry_policy{.max_attempts = 4}, fanout::limit(64));
///     std::cout << r.retries() << " retries, " << r.failed() << " failed for good\n";
///     std::move(r).values(); // throws a rejected_error that lists every index that failed
///
/// What is run again is the factory: an awaitable that was awaited is spent, so there is no form that takes
/// awaitables. A sleeping input holds neither permit nor lane; all of them wait for one timer.
///
/// @param inputs An input range; borrowed as an lvalue, moved in as an rvalue. The factory gets an element that the
///   range makes on the fly by const reference, since it may be needed again.
/// @param factory Makes the child of an input; called anew for each attempt.
/// @param rest A `retry_policy` (4 attempts with exponential backoff by default), and as for `when_all`; and
///   `retry_if(f)`, `jitter_from(generator)`. `options::attempt_timeout` is for each attempt, `options::deadline`
///   covers all attempts and sleeps: an input whose sleep would pass it ends at once with its last error.
/// @returns A lazy operation that completes with `retried<T>`.
/// @par Errors
///   None for a child, see `retried::values()`. Never run again: what the caller cancelled, and what `retry_if` refuses.
/// @par Per-operation cancellation
///   As for `when_all_settled`; an input that sleeps ends with its last error.
/// @par Complexity
///   As for `when_all_settled`, and per sleeping input a heap entry of some 40 bytes.
template <class Inputs, class Factory, class... Rest>
[[nodiscard]] auto retry_rejected(Inputs&& inputs, Factory&& factory, Rest&&... rest) {
    static_assert(
        std::ranges::input_range<Inputs> && !detail::range_of_children<Inputs>,
        "fanout: retry_rejected takes a range of inputs and a factory: an awaitable that was awaited is "
        "spent, so only a factory can make another attempt");
    detail::check_arguments<true, Rest...>();
    return detail::make_range_operation<detail::retried_range_sink, false>(
        std::forward<Inputs>(inputs), std::forward<Factory>(factory),
        detail::make_retry_rules(std::forward<Rest>(rest)...), std::forward<Rest>(rest)...);
}

} // namespace fanout
