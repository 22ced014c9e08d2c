// SPDX-License-Identifier: BSL-1.0
#pragma once
// Any of fanout's backoffs, and any of its budgets, chosen when the program runs. Who knows which one he wants writes
// `fanout::retry_policy{.backoff = fanout::exponential{}}` and needs none of this.

#include <fanout/retry/backoff.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>

#include "strategy.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <variant>

namespace lab {

class any_backoff {
public:
    struct state {
        fanout::decorrelated::state decorrelated;
        fanout::polly_v2::state polly;
    };

    any_backoff() = default;
    explicit any_backoff(retrying::kind k) {
        switch (k) {
        case retrying::kind::none: which_ = fanout::none{}; break;
        case retrying::kind::constant: which_ = fanout::constant{}; break;
        case retrying::kind::exponential: which_ = fanout::exponential{}; break;
        case retrying::kind::decorrelated: which_ = fanout::decorrelated{}; break;
        case retrying::kind::polly: which_ = fanout::polly_v2{}; break;
        }
    }

    template <class Generator>
    std::chrono::nanoseconds delay(std::uint32_t retry, Generator& generator, state& s) const {
        return std::visit(
            [&]<class Backoff>(Backoff const& b) -> std::chrono::nanoseconds {
                if constexpr (std::is_same_v<Backoff, fanout::decorrelated>) {
                    return b.delay(retry, generator, s.decorrelated);
                } else if constexpr (std::is_same_v<Backoff, fanout::polly_v2>) {
                    return b.delay(retry, generator, s.polly);
                } else {
                    return b.delay(retry, generator);
                }
            },
            which_);
    }

private:
    std::variant<fanout::none, fanout::constant, fanout::exponential, fanout::decorrelated, fanout::polly_v2>
        which_;
};

inline fanout::retry_policy<any_backoff> policy_of(retrying const& r) {
    return {.max_attempts = r.attempts, .backoff = any_backoff(r.how)};
}

template <class Clock>
class any_budget {
public:
    explicit any_budget(budgeting const& b) {
        if (b.how == budgeting::kind::token)
            token_.emplace();
        if (b.how == budgeting::kind::ratio)
            ratio_.emplace(typename fanout::basic_ratio_budget<Clock>::options{.ratio = b.ratio});
    }

    std::optional<std::uint32_t> try_withdraw(bool throttled) noexcept {
        return token_   ? token_->try_withdraw(throttled)
               : ratio_ ? ratio_->try_withdraw(throttled)
                        : std::optional<std::uint32_t>(0);
    }
    void give_back(std::uint32_t cost) noexcept {
        each([&](auto& b) { b.give_back(cost); });
    }
    void fulfilled(std::uint32_t cost) noexcept {
        each([&](auto& b) { b.fulfilled(cost); });
    }
    void started() noexcept {
        if (ratio_)
            ratio_->started();
    }

private:
    void each(auto f) noexcept {
        if (token_)
            f(*token_);
        if (ratio_)
            f(*ratio_);
    }

    std::optional<fanout::token_budget> token_;
    std::optional<fanout::basic_ratio_budget<Clock>> ratio_;
};

} // namespace lab
