// SPDX-License-Identifier: BSL-1.0
#pragma once

// What bounds the retries of one or several calls together, so that a dead backend gets no storm of them.

#include <fanout/detail/require.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>

namespace fanout {
namespace detail {

template <class B>
concept has_started = requires(B& b) { b.started(); };
template <class B>
concept has_widen = requires(B& b, std::size_t n) {
    b.widen(n);
    b.narrow(n);
};

// A hook that may throw is an error, not a hook that is left out.
template <class B>
concept started_is_safe = !has_started<B> || requires(B& b) {
    { b.started() } noexcept;
};
template <class B>
concept widen_is_safe = !has_widen<B> || requires(B& b, std::size_t n) {
    { b.widen(n) } noexcept;
    { b.narrow(n) } noexcept;
};

} // namespace detail

/// A retry budget says whether a retry may be. It never holds back a first attempt.
///
/// - `try_withdraw(throttled)`: what the retry costs, or none where it is refused. `throttled`: the backend
///   said that it was asked too much.
/// - `give_back(cost)`: that retry did not run after all.
/// - `fulfilled(cost)`: a child was fulfilled; the cost of its last retry, 0 where it was the first attempt.
/// - `started()`, optional: an input runs for the first time.
/// - `widen(n)` and `narrow(n)`, optional: a fan-out of n inputs begins, and ends.
///
/// All of them `noexcept`, and safe from any thread where calls on several threads share the budget.
template <class B>
concept retry_budget = detail::started_is_safe<B> && detail::widen_is_safe<B> &&
                       requires(B& b, bool throttled, std::uint32_t cost) {
                           {
                               b.try_withdraw(throttled)
                           } noexcept -> std::same_as<std::optional<std::uint32_t>>;
                           { b.give_back(cost) } noexcept;
                           { b.fulfilled(cost) } noexcept;
                       };

/// A bucket of tokens that retries are paid from, and that success fills: the retry quota of the AWS SDKs'
/// standard mode. Where most retries fail it runs dry, and from then on a rejection is final.
///
///     fanout::token_budget budget; // for all calls to this backend
///     auto r = co_await fanout::retry_rejected(rows, write, policy, budget);
///
/// It starts full. A retry takes its cost, and where there are fewer tokens it is refused and takes nothing. A
/// child that is fulfilled by a retry gives back what that retry took; one that is fulfilled at its first
/// attempt gives `first_success`. A retry that fails gives back nothing. There are never more tokens than the
/// capacity.
///
/// The SDKs' bucket is one client's, for requests over hours; a fan-out can fail all at once. Where all 1,000
/// inputs of one do, 500 tokens retry 35 of them. `tokens_per_input` makes room for that: while a fan-out of n
/// inputs runs, capacity and tokens are larger by n · `tokens_per_input`; what is left when it ends stays, up
/// to the capacity. 14 pay for one retry of each input.
///
/// @par Thread safety, lifetimes
///   Safe from any thread. Shared by reference, to outlive the calls that use it. Where a context is destroyed in the
///   middle of a call, what that call took and widened stays as it is.
/// @par Complexity
///   A mutex for some instructions; no allocation.
/// @par See also
///   "Retry behavior" in the AWS SDKs and Tools reference guide. The defaults are those of 2026, which the SDKs
///   have under `AWS_NEW_RETRIES_2026=true`.
class token_budget {
public:
    /// What it may be told; each has a default.
    struct options {
        std::uint32_t tokens = 500;         ///< the capacity; a retry that costs more is always refused
        std::uint32_t transient_cost = 14;  ///< what a retry takes; at least 1
        std::uint32_t throttled_cost = 5;   ///< what it takes where the backend throttled; at least 1
        std::uint32_t first_success = 1;    ///< what a child gives that is fulfilled at its first attempt
        std::uint32_t tokens_per_input = 0; ///< what each input of a running fan-out adds
    };

    token_budget() : token_budget(options{}) {} ///< a full bucket, with the defaults
    /// A full bucket.
    /// @throws std::invalid_argument where an option is out of range.
    explicit token_budget(options const& o) : options_(o), tokens_(o.tokens) {
        detail::require(o.transient_cost >= 1, "token_budget",
                        "transient_cost must be at least 1, or retries had no bound");
        detail::require(o.throttled_cost >= 1, "token_budget",
                        "throttled_cost must be at least 1, or retries had no bound");
    }
    token_budget(token_budget const&) = delete;
    token_budget& operator=(token_budget const&) = delete;

    /// @name What a fan-out calls: see `retry_budget`
    /// @{
    std::optional<std::uint32_t> try_withdraw(bool throttled) noexcept {
        auto const cost = throttled ? options_.throttled_cost : options_.transient_cost;
        std::lock_guard const lock(mutex_);
        if (cost > tokens_) {
            ++refused_;
            return std::nullopt;
        }
        tokens_ -= cost;
        return cost;
    }

    void give_back(std::uint32_t cost) noexcept {
        std::lock_guard const lock(mutex_);
        add(cost);
    }

    void fulfilled(std::uint32_t cost) noexcept {
        std::lock_guard const lock(mutex_);
        add(cost > 0 ? cost : options_.first_success);
    }

    void widen(std::size_t n) noexcept {
        std::lock_guard const lock(mutex_);
        auto const before = room();
        inputs_ += (std::min)(std::uint64_t{n}, most - inputs_);
        tokens_ += room() - before;
    }

    void narrow(std::size_t n) noexcept {
        std::lock_guard const lock(mutex_);
        inputs_ -= (std::min)(std::uint64_t{n}, inputs_);
        tokens_ = (std::min)(tokens_, room());
    }
    /// @}

    /// What retries can be paid from now.
    std::uint64_t tokens() const noexcept {
        std::lock_guard const lock(mutex_);
        return tokens_;
    }

    /// The most tokens there can be, now that these fan-outs run.
    std::uint64_t capacity() const noexcept {
        std::lock_guard const lock(mutex_);
        return room();
    }

    /// How many retries were refused.
    std::uint64_t refused() const noexcept {
        std::lock_guard const lock(mutex_);
        return refused_;
    }

private:
    // More inputs than that count as so many: times 2^32 it still fits, and no fan-out comes near.
    static constexpr std::uint64_t most = (std::uint64_t{1} << 32) - 1;

    std::uint64_t room() const noexcept { return options_.tokens + inputs_ * options_.tokens_per_input; }
    void add(std::uint64_t tokens) noexcept { tokens_ = (std::min)(tokens_ + tokens, room()); }

    options options_;
    mutable std::mutex mutex_;
    std::uint64_t tokens_;
    std::uint64_t inputs_ = 0; // of the fan-outs that run
    std::uint64_t refused_ = 0;
};

/// At most so many retries per input that starts, and a few that are always allowed: Finagle's RetryBudget.
/// Where everything fails, the backend gets 1 + `ratio` times the load, and `min_per_second` more.
///
///     fanout::ratio_budget budget({.ratio = 0.1}); // one retry in ten inputs
///     auto r = co_await fanout::retry_rejected(rows, write, policy, budget);
///
/// Each input that starts is a deposit, and a retry withdraws 1/`ratio` deposits:
///
///     balance = min_per_second · expiry + ratio · deposits - withdrawals
///
/// A retry is allowed where the balance is at least 1. So a pause allows `min_per_second` · `expiry` retries at
/// once, 100 by default. Each retry costs the same, throttled or not, and success earns nothing.
///
/// Deposits and withdrawals count for `expiry`, to a tenth of it: those of one tenth are forgotten together,
/// nine tenths after it has ended. A retry that is given back frees the oldest withdrawal that still counts.
///
/// @tparam Clock What the time is told by; a test gives one of its own. A clock that is set back stands still
///   until it is where it was.
/// @par Thread safety, lifetimes
///   Safe from any thread. Shared by reference, to outlive the calls that use it.
/// @par Complexity
///   A mutex for some instructions and a look at the clock; no allocation.
/// @par See also
///   `com.twitter.finagle.service.RetryBudget`. Its windows start with the first call after the last one has
///   ended; these are counted from the construction.
template <class Clock>
class basic_ratio_budget {
public:
    /// What it may be told; each has a default.
    struct options {
        double ratio = 0.2; ///< retries per input that starts; 0: none, 2: two of each; at least 0, finite
        double min_per_second = 10; ///< retries that are allowed without any deposit; at least 0, finite
        std::chrono::nanoseconds expiry = std::chrono::seconds(10); ///< at least 1 ms
    };

    basic_ratio_budget() : basic_ratio_budget(options{}) {} ///< with the defaults
    /// Without deposits.
    /// @throws std::invalid_argument where an option is out of range.
    explicit basic_ratio_budget(options const& o) : options_(o), start_(Clock::now()) {
        auto const is = [](bool holds, char const* rule) { detail::require(holds, "ratio_budget", rule); };
        is(std::isfinite(o.ratio) && o.ratio >= 0, "ratio must be at least 0, and finite");
        is(std::isfinite(o.min_per_second) && o.min_per_second >= 0,
           "min_per_second must be at least 0, and finite");
        is(o.expiry >= std::chrono::milliseconds(1), "expiry must be at least 1 ms");
    }
    basic_ratio_budget(basic_ratio_budget const&) = delete;
    basic_ratio_budget& operator=(basic_ratio_budget const&) = delete;

    /// @name What a fan-out calls: see `retry_budget`
    /// @{
    std::optional<std::uint32_t> try_withdraw(bool) noexcept {
        std::lock_guard const lock(mutex_);
        latest_ = tenth();
        if (sum(latest_) < 1) {
            ++refused_;
            return std::nullopt;
        }
        ++current().withdrawals;
        return 1;
    }

    void give_back(std::uint32_t cost) noexcept {
        std::lock_guard const lock(mutex_);
        latest_ = tenth();
        for (auto age = tenths; cost > 0 && age-- > 0;) {
            auto& w = windows_[static_cast<std::size_t>((latest_ + tenths - age) % tenths)];
            if (counts(w, latest_)) {
                auto const n = static_cast<std::uint32_t>((std::min)(w.withdrawals, std::uint64_t{cost}));
                w.withdrawals -= n;
                cost -= n;
            }
        }
    }

    void fulfilled(std::uint32_t) noexcept {}

    void started() noexcept {
        std::lock_guard const lock(mutex_);
        latest_ = tenth();
        ++current().deposits;
    }
    /// @}

    /// How many retries are allowed now.
    std::uint64_t balance() const noexcept {
        std::lock_guard const lock(mutex_);
        auto const b = sum(tenth());
        constexpr auto most = (std::numeric_limits<std::uint64_t>::max)();
        return b < 1 ? 0 : b < static_cast<double>(most) ? static_cast<std::uint64_t>(b) : most;
    }

    /// How many retries were refused.
    std::uint64_t refused() const noexcept {
        std::lock_guard const lock(mutex_);
        return refused_;
    }

private:
    using index = std::int64_t; // of a tenth of `expiry`, since the construction
    static constexpr index tenths = 10;

    struct window {
        index when = 0;
        std::uint64_t deposits = 0;
        std::uint64_t withdrawals = 0;
    };

    index tenth() const noexcept {
        auto const passed = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_);
        return (std::max)(latest_, index{passed / (options_.expiry / tenths)});
    }

    static bool counts(window const& w, index now) noexcept { return now - w.when < tenths; }

    /// The tenth that runs, emptied where it was of the round before.
    window& current() noexcept {
        auto& w = windows_[static_cast<std::size_t>(latest_ % tenths)];
        if (w.when != latest_) {
            w = {latest_};
        }
        return w;
    }

    double sum(index now) const noexcept {
        std::uint64_t deposits = 0;
        std::uint64_t withdrawals = 0;
        for (auto const& w : windows_) {
            if (counts(w, now)) {
                deposits += w.deposits;
                withdrawals += w.withdrawals;
            }
        }
        auto const reserve = options_.min_per_second * std::chrono::duration<double>(options_.expiry).count();
        constexpr double rounding = 1e-6; // 0.29 · 100 is less than 29 in a double
        return reserve + options_.ratio * static_cast<double>(deposits) - static_cast<double>(withdrawals) +
               rounding;
    }

    options options_;
    typename Clock::time_point start_;
    mutable std::mutex mutex_;
    std::array<window, tenths> windows_{};
    index latest_ = 0;
    std::uint64_t refused_ = 0;
};

/// `basic_ratio_budget` by the steady clock.
using ratio_budget = basic_ratio_budget<std::chrono::steady_clock>;

} // namespace fanout
