// SPDX-License-Identifier: BSL-1.0
#pragma once

// Makes the rules of a retry from a combinator's arguments.

#include <fanout/detail/arguments.hpp>
#include <fanout/detail/random.hpp>
#include <fanout/detail/retry_rules.hpp>

#include <type_traits>
#include <utility>

namespace fanout::detail {

struct with_retries {
    static constexpr bool retries = true;

    template <class... As>
    auto operator()(As&&... as) const {
        auto const policy = pick<retry_policy_kind>(retry_policy<>{}, std::forward<As>(as)...);
        auto predicate = [&] {
            if constexpr (count_of<retry_if_kind, As...> == 0) {
                return retry_always{};
            } else {
                auto given =
                    pick<retry_if_kind>(retry_always{}, std::forward<As>(as)...); // copied, if it has a name
                return given.take();
            }
        }();
        auto hint = pick<delay_hint_kind>(no_hint{}, std::forward<As>(as)...);
        auto notice = [&] {
            if constexpr (count_of<on_retry_kind, As...> == 0) {
                return no_notice{};
            } else {
                auto given = pick<on_retry_kind>(no_notice{}, std::forward<As>(as)...);
                return given.take();
            }
        }();
        auto generator = [&] {
            if constexpr (count_of<jitter_from_kind, As...> == 0) {
                return unseeded_generator();
            } else {
                return &pick<jitter_from_kind>(0, std::forward<As>(as)...).generator();
            }
        }();
        auto const budget = [&] {
            if constexpr (count_of<budget_kind, As...> == 0) {
                return no_budget{};
            } else {
                using given = std::remove_reference_t<picked_t<budget_kind, no_budget, As...>>;
                return budget_ref<given>(pick<budget_kind>(no_budget{}, std::forward<As>(as)...));
            }
        }();
        return retry_rules(policy, std::move(predicate), std::move(hint), std::move(notice),
                           std::move(generator), budget);
    }
};

} // namespace fanout::detail
