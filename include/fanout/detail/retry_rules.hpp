// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which rejections are run again, after which sleep, and whether the budget allows it: the policy and the
// arguments beside it, as one.

#include <fanout/detail/require.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/retry/backoff.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Rejected inputs are not run again.
struct no_retry {
    static constexpr bool retries = false;
    static constexpr bool notifies = false;
    struct memory {};

    static void begin(std::size_t) noexcept {}
    static void end() noexcept {}
    static void started() noexcept {}
    static void fulfilled(memory const&) noexcept {}
    static void give_back(memory&) noexcept {}
    static std::uint32_t max_attempts() noexcept { return 1; }
};

/// Without `retry_if`, whatever was rejected is worth another attempt.
struct retry_always {
    template <class Outcome>
    constexpr bool operator()(Outcome const&) const noexcept {
        return true;
    }
};

/// Without a `delay_hint`, the backoff alone says how long to sleep.
struct no_hint {};

/// Without `on_retry`.
struct no_notice {};

/// Without a budget, any number of retries.
struct no_budget {
    static constexpr bool limits = false;
    struct cost {};

    static void begin(std::size_t) noexcept {}
    static void end() noexcept {}
    static void started() noexcept {}
    static void fulfilled(cost) noexcept {}
    static void give_back(cost&) noexcept {}
    static bool withdraw(cost&, bool) noexcept { return true; }
};

/// The caller's budget, and how far this call has widened it.
template <class Budget>
class budget_ref {
public:
    static constexpr bool limits = true;
    using cost = std::uint32_t; ///< of an input's last retry

    explicit budget_ref(Budget& b) noexcept : budget_(&b) {}

    void begin(std::size_t inputs) noexcept {
        if constexpr (has_widen<Budget>) {
            budget_->widen(inputs);
            inputs_ += inputs;
        }
    }
    void end() noexcept {
        if constexpr (has_widen<Budget>) {
            budget_->narrow(std::exchange(inputs_, 0));
        }
    }
    void started() noexcept {
        if constexpr (has_started<Budget>) {
            budget_->started();
        }
    }
    void fulfilled(cost c) noexcept { budget_->fulfilled(c); }
    void give_back(cost& c) noexcept { budget_->give_back(std::exchange(c, 0)); }

    bool withdraw(cost& c, bool throttled) noexcept {
        auto const asked = budget_->try_withdraw(throttled);
        if (asked) {
            c = *asked;
        }
        return asked.has_value();
    }

private:
    Budget* budget_;
    std::size_t inputs_ = 0;
};

/// The rules. `Generator` is the generator itself, or a pointer to the caller's.
template <class Backoff, class Predicate, class Hint, class Notice, class Generator, class Budget>
class retry_rules {
public:
    static constexpr bool retries = true;
    static constexpr bool notifies = !std::is_same_v<Notice, no_notice>;

    /// What an input carries from attempt to attempt.
    struct memory {
        [[no_unique_address]] backoff_state_t<Backoff> backoff{};
        [[no_unique_address]] typename Budget::cost cost{};
    };

    retry_rules(retry_policy<Backoff> policy, Predicate predicate, Hint hint, Notice notice,
                Generator generator, Budget budget)
        : policy_(policy),
          predicate_(std::move(predicate)),
          hint_(std::move(hint)),
          notice_(std::move(notice)),
          generator_(std::move(generator)),
          budget_(budget) {
        require(policy.max_attempts > 0, "retry_policy",
                "max_attempts counts the first attempt, so it is at least 1");
        if constexpr (requires { policy.backoff.check(); }) {
            policy.backoff.check();
        }
    }

    std::uint32_t max_attempts() const noexcept { return policy_.max_attempts; }

    template <class Outcome>
    bool may_retry(Outcome const& o) noexcept { // a predicate must not throw
        return predicate_(o);
    }

    /// The sleep after attempt number `attempt` was rejected.
    template <class Outcome>
    std::chrono::nanoseconds delay(std::uint32_t attempt, memory& m, Outcome const& o) {
        if constexpr (!std::is_same_v<Hint, no_hint>) {
            if (auto const asked = hint_(o)) {
                return *asked;
            }
        }
        return next_delay(policy_.backoff, attempt - 1, generator(), m.backoff);
    }

    template <class Outcome>
    void notify(retry_event const& e, Outcome const& o) noexcept { // nor must a notice
        notice_(e, o);
    }

    // ---- the budget

    void begin(std::size_t inputs) noexcept { budget_.begin(inputs); }
    void end() noexcept { budget_.end(); }
    void started() noexcept { budget_.started(); }
    void fulfilled(memory const& m) noexcept { budget_.fulfilled(m.cost); }

    /// Whether there is budget for a retry, which is taken.
    bool withdraw(memory& m, bool throttled) noexcept { return budget_.withdraw(m.cost, throttled); }

    /// A retry for which `withdraw` was true does not run.
    void give_back(memory& m) noexcept { budget_.give_back(m.cost); }

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
    [[no_unique_address]] Hint hint_;
    [[no_unique_address]] Notice notice_;
    Generator generator_;
    [[no_unique_address]] Budget budget_;
};

} // namespace fanout::detail
