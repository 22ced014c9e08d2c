// SPDX-License-Identifier: BSL-1.0
#pragma once

// What follows where a child that was rejected may be run again: how long its input sleeps, and who is told.

#include <fanout/detail/asking.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/observe/observer.hpp>

#include <chrono>
#include <optional>

namespace fanout::detail {

/// The base of `FanOut` above its asking. All of it is called with the mutex held, by a `guard`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class retrying : public asking<FanOut, Job, Executor, Allocator, Threaded> {
    using base = asking<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using base::base;
    using typename base::clock;
    using typename base::lane_type;
    using typename base::time_point;

protected:
    /// Whether the lane's rejection is of a kind that may be run again.
    bool may_retry([[maybe_unused]] lane_type const& l) noexcept {
        auto may = false;
        if constexpr (Job::retries) {
            if (core_.has_attempts_left(l.work) && l.cause != cancel_cause::sibling &&
                l.cause != cancel_cause::caller) {
                job_.with_outcome(l.work.index, [&](auto const& o) { may = job_.retry().may_retry(o); });
            }
        }
        return may;
    }

    /// Puts the lane's input to sleep, and says for how long; not, where that would pass the deadline or the
    /// budget does not allow it.
    std::optional<std::chrono::nanoseconds> sleep([[maybe_unused]] lane_type& l,
                                                  [[maybe_unused]] bool throttled) noexcept {
        if constexpr (Job::retries) {
            auto paid = false;
            try {
                std::chrono::nanoseconds delay{};
                job_.with_outcome(l.work.index, [&](auto const& o) {
                    delay = job_.retry().delay(l.work.attempt, l.item.memory, o);
                });
                auto const due = later_by(clock::now(), delay);
                paid = core_.may_sleep(due) && job_.retry().withdraw(l.item.memory, throttled);
                // Asked again: the hint, the backoff and the budget are the caller's, and may have cancelled.
                if (paid && core_.may_sleep(due)) {
                    typename base::resting rest{std::move(l.item), l.place};
                    if constexpr (Job::dates) {
                        rest.item.due = due;
                    }
                    core_.sleep(l.work, due, std::move(rest));
                    arm();
                    return delay;
                }
            } catch (...) {
                // No memory to remember the input, or a backoff that throws: its last error stands.
            }
            if (paid) {
                job_.retry().give_back(l.item.memory);
            }
        }
        return std::nullopt;
    }

    void tell_retry([[maybe_unused]] lane_type const& l, [[maybe_unused]] std::chrono::nanoseconds delay) {
        if constexpr (Job::retries) {
            constexpr bool watched = has_on_retry<typename Job::observer_type>;
            if constexpr (watched || Job::retry_type::notifies) {
                retry_event const e{l.work.index, l.work.attempt, delay, clock::now() - start_};
                if constexpr (watched) {
                    job_.observer().on_retry(e);
                }
                if constexpr (Job::retry_type::notifies) {
                    job_.with_outcome(l.work.index, [&](auto const& o) { job_.retry().notify(e, o); });
                }
            }
        }
    }

    /// A time point that is later by `d`, or the last there is.
    static time_point later_by(time_point t, auto d) noexcept {
        auto const step = std::chrono::ceil<typename clock::duration>(d);
        return t > time_point() && step > (time_point::max)() - t ? (time_point::max)() : t + step;
    }

    using base::arm;
    using base::core_;
    using base::job_;
    using base::start_;
};

} // namespace fanout::detail
