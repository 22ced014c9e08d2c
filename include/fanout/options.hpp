// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a combinator takes beside its children: times, and where the children run.

#include <fanout/detail/requirements.hpp>

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout {

/// When a fan-out stops: a time point, or a duration from its start. Written as either; see `options`.
template <class Clock>
class deadline_at {
public:
    /// So long after the fan-out's start.
    template <class Rep, class Period>
    constexpr deadline_at(std::chrono::duration<Rep, Period> from_start) noexcept
        : from_start_(std::chrono::duration_cast<typename Clock::duration>(from_start)) {}

    /// At that time.
    constexpr deadline_at(typename Clock::time_point at) noexcept : at_(at), absolute_(true) {}

    /// The time point, for a fan-out that starts at `start`.
    constexpr typename Clock::time_point from(typename Clock::time_point start) const noexcept {
        if (absolute_) {
            return at_;
        }
        auto const never = (Clock::time_point::max)();
        return start > typename Clock::time_point() && from_start_ > never - start ? never
                                                                                   : start + from_start_;
    }

private:
    typename Clock::duration from_start_{};
    typename Clock::time_point at_{};
    bool absolute_ = false;
};

/// Times of a fan-out. Trivially destructible, so that it may be written inside a `co_await` expression.
///
///     fanout::options{.attempt_timeout = 2s, .deadline = 14min}
template <class Clock>
struct basic_options {
    /// The clock of the deadline, the timeouts and the backoff of this call.
    using clock_type = Clock;

    /// How long one attempt may run before it is cancelled and counts as `errc::timed_out`; more than 0, none by
    /// default. It ends when the child has heeded the cancellation, not before.
    std::optional<typename Clock::duration> attempt_timeout = std::nullopt;

    /// When the whole fan-out ends; covers first attempts and sleeps. Children that run then are cancelled and
    /// count as `errc::timed_out`; what it kept from starting is `errc::not_started`. None by default.
    std::optional<deadline_at<Clock>> deadline = std::nullopt;
};

/// Times by the steady clock.
using options = basic_options<std::chrono::steady_clock>;

/// What `on(executor)` makes.
template <class Executor>
class on_t {
public:
    using executor_type = Executor;
    explicit on_t(Executor ex) noexcept : executor_(std::move(ex)) {} ///< keeps it
    Executor const& executor() const noexcept { return executor_; }   ///< where the children run

private:
    Executor executor_;
};

/// Runs the children on `executor`, each lane on a strand of its own over it, so that children run in parallel
/// where the executor has several threads.
///
///     asio::thread_pool pool(4);
///     co_await fanout::when_all(files, checksum, fanout::limit(4), fanout::on(pool));
///
/// @param executor Any Asio executor. One that is a strand makes the fan-out serial.
/// @returns An argument of a combinator. The fan-out completes on the completion handler's executor, where it has one,
///   else on `executor`.
/// @par Thread safety
///   The factory is then called from several threads at once and must allow that. Observers, `retry_if` and the source
///   are still called one at a time.
/// @par Lifetimes
///   The executor is copied; its context must outlive the operation.
template <class Executor>
on_t<std::decay_t<Executor>> on(Executor&& executor) {
    return on_t<std::decay_t<Executor>>(std::forward<Executor>(executor));
}

/// Likewise, on the executor of a context: `on(pool)`.
///
/// @param context An execution context, such as a `thread_pool`.
/// @returns An argument of a combinator.
/// @par Lifetimes
///   `context` must outlive the operation.
template <class Context>
    requires requires(Context& c) { c.get_executor(); }
on_t<typename Context::executor_type> on(Context& context) {
    return on_t<typename Context::executor_type>(context.get_executor());
}

} // namespace fanout
