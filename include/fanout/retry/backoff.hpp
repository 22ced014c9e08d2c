// SPDX-License-Identifier: BSL-1.0
#pragma once

// How long a rejected input sleeps before it is run again.

#include <fanout/detail/random.hpp>
#include <fanout/detail/require.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace fanout {
namespace detail {

/// What a backoff without a `state` remembers.
struct no_state {};

template <class B>
struct backoff_state {
    using type = no_state;
};
template <class B>
    requires requires { typename B::state; }
struct backoff_state<B> {
    using type = typename B::state;
};

/// What a backoff remembers of one input.
template <class B>
using backoff_state_t = typename backoff_state<B>::type;

template <class B>
inline constexpr bool remembers = !std::same_as<backoff_state_t<B>, no_state>;

template <class B, class Generator>
concept delays_alone = !remembers<B> && requires(B const b, std::uint32_t retry, Generator& generator) {
    { b.delay(retry, generator) } -> std::convertible_to<std::chrono::nanoseconds>;
};
template <class B, class Generator>
concept delays_by_state =
    remembers<B> && std::default_initializable<backoff_state_t<B>> &&
    requires(B const b, std::uint32_t retry, Generator& generator, backoff_state_t<B>& state) {
        { b.delay(retry, generator, state) } -> std::convertible_to<std::chrono::nanoseconds>;
    };

/// The sleep before retry number `retry` of the input that `state` belongs to.
template <class B, class Generator>
std::chrono::nanoseconds next_delay(B const& b, std::uint32_t retry, Generator& generator,
                                    backoff_state_t<B>& state) {
    if constexpr (remembers<B>) {
        return b.delay(retry, generator, state);
    } else {
        return b.delay(retry, generator);
    }
}

inline double as_double(std::chrono::nanoseconds d) noexcept { return static_cast<double>(d.count()); }

/// So many nanoseconds, but not below 0 nor above `cap`. A double that is less than the cap's, which may have
/// been rounded up, is at most the cap, so it fits.
inline std::chrono::nanoseconds capped(double ns, std::chrono::nanoseconds cap) noexcept {
    using std::chrono::nanoseconds;
    return ns < as_double(cap) ? nanoseconds(static_cast<nanoseconds::rep>((std::max)(ns, 0.0))) : cap;
}

} // namespace detail

/// A backoff tells how long to sleep before a retry. `retry` is 0 before the first retry, 1 before the second,
/// and so on; `generator` is a uniform random bit generator.
///
/// It has either `b.delay(retry, generator)`, or a type `state` and `b.delay(retry, generator, state&)`. The
/// state is made by its default constructor for each input, and is that input's alone. Where there is a
/// `b.check()`, it throws what is wrong with the options; `retry_rejected` calls it before anything runs.
///
/// Trivially destructible, since a `retry_policy` is.
template <class B, class Generator = detail::minimal_generator>
concept backoff = std::copyable<B> && std::is_trivially_destructible_v<B> &&
                  (detail::delays_alone<B, Generator> || detail::delays_by_state<B, Generator>);

/// How much of a computed sleep is left to chance, so that inputs that failed together do not come back
/// together.
enum class jitter : std::uint8_t {
    none,  ///< nothing: all of it is slept
    equal, ///< half of it: U(½, 1) of it is slept
    full,  ///< all of it: U(0, 1) of it is slept
};

/// No sleep: what was rejected is run again as soon as there is a place.
struct none {
    constexpr void check() const noexcept {} ///< nothing can be wrong

    /// The sleep before a retry.
    template <class Generator>
    constexpr std::chrono::nanoseconds delay(std::uint32_t, Generator&) const noexcept {
        return std::chrono::nanoseconds::zero();
    }
};

/// The same sleep before each retry.
struct constant {
    std::chrono::nanoseconds interval = std::chrono::seconds(1); ///< at least 0

    /// Checks the options.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    void check() const { detail::require(interval.count() >= 0, "constant", "interval must be at least 0"); }

    /// The sleep before a retry.
    template <class Generator>
    constexpr std::chrono::nanoseconds delay(std::uint32_t, Generator&) const noexcept {
        return interval;
    }
};

/// Exponential backoff: the bound doubles with each retry, b = min(`cap`, `base` · 2^retry), and of that is
/// slept:
///
/// - `jitter::full`: U(0, 1) · b
/// - `jitter::equal`: b/2 + U(0, 1) · b/2
/// - `jitter::none`: b
///
/// Source of the formulas: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. It finds that full
/// jitter costs the server less than equal jitter, and without jitter those that failed together come back
/// together.
struct exponential {
    std::chrono::nanoseconds base = std::chrono::milliseconds(50); ///< the first retry's bound, at least 0
    std::chrono::nanoseconds cap = std::chrono::seconds(20);       ///< no sleep is longer; at least 0
    fanout::jitter jitter = fanout::jitter::full;                  ///< what of the bound is left to chance

    /// Checks the options.
    ///
    /// @throws std::invalid_argument where an option is out of range. A cap below the base is legal: it is the
    ///   bound.
    void check() const {
        detail::require(base.count() >= 0, "exponential", "base must be at least 0");
        detail::require(cap.count() >= 0, "exponential", "cap must be at least 0");
    }

    /// The bound that the jitter is drawn below: `min(cap, base · 2^retry)`.
    constexpr std::chrono::nanoseconds bound(std::uint32_t retry) const noexcept {
        auto b = base;
        for (; retry > 0 && b < cap && b.count() > 0; --retry) {
            b = b > cap / 2 ? cap : b * 2;
        }
        return (std::min)(b, cap);
    }

    /// The sleep before a retry.
    template <std::uniform_random_bit_generator Generator>
    std::chrono::nanoseconds delay(std::uint32_t retry, Generator& generator) const {
        auto const upper = bound(retry);
        switch (jitter) {
        case fanout::jitter::none: return upper;
        case fanout::jitter::equal:
            return detail::capped((0.5 + 0.5 * detail::draw(generator)) * detail::as_double(upper), upper);
        case fanout::jitter::full: break;
        }
        return detail::capped(detail::draw(generator) * detail::as_double(upper), upper);
    }
};

/// Decorrelated jitter: each sleep is drawn from the one before, min(`cap`, U(`base`, 3 · previous)), where the
/// previous one is `base` at first. It never sleeps less than `base`.
///
/// Far below the cap a sleep is on average half as long again as the one before. After a sleep of `cap` the
/// next is `cap` too with a probability of about two in three.
///
/// Source of the formula: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
struct decorrelated {
    std::chrono::nanoseconds base = std::chrono::milliseconds(50); ///< no sleep is shorter; at least 0
    std::chrono::nanoseconds cap = std::chrono::seconds(20);       ///< no sleep is longer; at least `base`

    /// What is remembered of an input.
    struct state {
        std::chrono::nanoseconds previous = std::chrono::nanoseconds::zero();
    };

    /// Checks the options.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    void check() const {
        detail::require(base.count() >= 0, "decorrelated", "base must be at least 0");
        detail::require(cap >= base, "decorrelated", "cap must be at least base, or each sleep were the cap");
    }

    /// The sleep before a retry.
    template <std::uniform_random_bit_generator Generator>
    std::chrono::nanoseconds delay(std::uint32_t, Generator& generator, state& s) const {
        auto const lower = detail::as_double(base);
        auto const upper = 3.0 * detail::as_double((std::max)(base, s.previous));
        s.previous = detail::capped(lower + detail::draw(generator) * (upper - lower), cap);
        return s.previous;
    }
};

/// Decorrelated jitter without the spikes of `decorrelated`: exponential growth whose exponent is spread
/// evenly.
///
///     t = retry + U(0, 1)
///     f(t) = 2^t · tanh(√(4 t))
///     sleep = min(cap, base · (f(t) - f(t of the retry before)) / 1.4), where that f is 0 at first
///
/// Without the cap, an input's sleeps up to a retry add up to base · f(t) / 1.4 of that retry. The medians of
/// the first five are about 0.9, 1.1, 2, 4 and 8 times the base.
///
/// Source of the formula: `DecorrelatedJitterBackoffV2` of Polly.Contrib.WaitAndRetry, by George Polevoy, and
/// Polly v8's exponential backoff with jitter (`RetryHelper.cs`). Polly has no cap unless it is told one.
struct polly_v2 {
    std::chrono::nanoseconds base = std::chrono::seconds(1); ///< about the first sleep's median; at least 0
    std::chrono::nanoseconds cap = std::chrono::seconds(20); ///< no sleep is longer; at least `base`

    /// What is remembered of an input.
    struct state {
        double previous = 0; ///< f(t) of the retry before
    };

    /// Checks the options.
    ///
    /// @throws std::invalid_argument where an option is out of range.
    void check() const {
        detail::require(base.count() >= 0, "polly_v2", "base must be at least 0");
        detail::require(cap >= base, "polly_v2", "cap must be at least base, the first sleep's median");
    }

    /// The sleep before a retry.
    template <std::uniform_random_bit_generator Generator>
    std::chrono::nanoseconds delay(std::uint32_t retry, Generator& generator, state& s) const {
        if (base.count() == 0) {
            return base;
        }
        // Far above any cap: a sleep below it would be a chance of 2^-400. A double ends at 2^1024.
        constexpr std::uint32_t beyond = 512;
        if (retry >= beyond) {
            return cap;
        }
        auto const t = static_cast<double>(retry) + detail::draw(generator);
        auto const next = std::exp2(t) * std::tanh(std::sqrt(4.0 * t));
        auto const step = (next - s.previous) / 1.4;
        s.previous = next;
        return detail::capped(step * detail::as_double(base), cap);
    }
};

} // namespace fanout
