// SPDX-License-Identifier: BSL-1.0
#pragma once

// The state of a fan-out, how it stops, and when its timer is to fire.

#include <fanout/concepts.hpp>
#include <fanout/detail/call_factory.hpp>
#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/key_gate.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/lane_store.hpp>
#include <fanout/detail/limit_parts.hpp>
#include <fanout/detail/operation_memory.hpp>
#include <fanout/detail/permit_waiting.hpp>
#include <fanout/detail/reentrancy.hpp>
#include <fanout/detail/step.hpp>
#include <fanout/detail/wakeup.hpp>
#include <fanout/observe/observer.hpp>

#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

struct no_mutex {
    static void lock() noexcept {}
    static void unlock() noexcept {}
};

/// An input that waits for its key, after it was pulled.
template <class Item>
struct parked_input {
    ticket work;
    Item item;
};

/// An input that sleeps keeps its place in its key.
template <class Item, class Place>
struct resting_input {
    Item item;
    [[no_unique_address]] Place place;
};

struct no_place {};
struct no_gate {};

/// What an observer was told.
struct told {
    std::size_t in_flight = 0; ///< children that have started and not settled: the core counts permits
    std::optional<std::size_t> limit;
    bool begun = false, stopped = false;
};
struct nothing_told {};

constexpr stop_reason reason_of(stop_cause c) noexcept {
    return c == stop_cause::rejection  ? stop_reason::rejection
           : c == stop_cause::caller   ? stop_reason::caller
           : c == stop_cause::deadline ? stop_reason::deadline
                                       : stop_reason::source;
}

/// The gate of a job's keys.
template <class Job>
struct gate_of {
    using type = key_gate<typename Job::key, parked_input<typename Job::item>>;
    using place = typename type::place;
    static type make(std::size_t permits) { return type(permits); }
};
template <class Job>
    requires(!Job::keyed)
struct gate_of<Job> {
    using type = no_gate;
    using place = no_place;
    static type make(std::size_t) noexcept { return {}; }
};

template <class Children>
inline constexpr bool has_operation = false;
template <class... Children>
inline constexpr bool has_operation<std::tuple<Children...>> =
    (false || ... || !is_awaitable<std::remove_cvref_t<Children>>);

/// Whether all children are awaitables for the same executor type.
template <class Children>
inline constexpr bool alike = false;
template <class... Ts, class Executor>
inline constexpr bool alike<std::tuple<boost::asio::awaitable<Ts, Executor>...>> = true;

/// The first base of `FanOut`. Where it is `Threaded`, whoever calls holds the mutex, by a `guard`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class fan_state : public any_fan_out {
public:
    static constexpr bool looks_for_reentrancy =
        detail::looks_for_reentrancy && !std::is_same_v<typename Job::admission_type, no_admission>;
    using clock = typename Job::clock;
    using time_point = typename clock::time_point;
    using admission = typename Job::admission_type;
    using observer_type = typename Job::observer_type;
    using place = typename gate_of<Job>::place;
    using about = std::conditional_t<Job::wants_attempt, typename Job::attempt, no_attempt>;
    static constexpr bool runs_operations = has_operation<typename Job::child_types>;
    using memory = std::conditional_t<runs_operations, operation_memory, no_operation_memory>;
    using strand = std::conditional_t<Threaded, std::optional<Executor>, no_strand>;
    using lane_type =
        lane<time_point, typename Job::item, strand, held_permit<admission>, place, about, memory>;
    using resting = resting_input<typename Job::item, place>;
    using uses = core_uses<Job::retries, Job::keyed || admission::by_input,
                           !std::is_same_v<admission, no_admission>, !Job::is_unlimited>;
    using core = fan_core<time_point, resting, uses>;
    using guard = std::lock_guard<std::conditional_t<Threaded, std::mutex, no_mutex>>;

    fan_state(Job&& job, Allocator const& allocator)
        : any_fan_out(FanOut::by_type),
          job_(std::move(job)),
          start_(job_.needs_clock() || Job::retry_type::notifies ? clock::now() : time_point()),
          deadline_(job_.deadline(start_)),
          core_(job_.template config<core>(deadline_)),
          lanes_(allocator),
          gate_(gate_of<Job>::make(job_.per_key())) {}
    fan_state(fan_state const&) = delete;
    fan_state& operator=(fan_state const&) = delete;
    ~fan_state() {
        if constexpr (looks_for_reentrancy) { // a context may end while children run
            lanes_.for_each([this](lane_type& l) { leaves_permit(l); });
        }
    }

protected:
    void leaves_permit(lane_type& l) noexcept {
        job_.admission().each_held([&l](void const* limit) { permit_holders::leave(limit, &l); });
    }

    using permit_type = typename admission::permit_type;
    static constexpr bool admits = !std::is_same_v<admission, no_admission>;

    void stop(stop_cause cause, cancel_cause cancel) noexcept {
        give_back_retries();
        if (core_.stop(cause)) {
            if constexpr (Job::keyed) {
                gate_.clear();
            }
            if constexpr (admission::by_input) {
                waiting_.head.reset();
            }
        }
        auto const cancels = cancel != cancel_cause::none && cancel_ == cancel_cause::none && !cancelled_;
        if (cancels) {
            cancel_ = cancel; // leave() emits it
        }
        tell_stopped(cause, cancels);
    }

    /// Tells what was not told: that nothing more starts, and that children are asked to end.
    void tell_stopped([[maybe_unused]] stop_cause cause, [[maybe_unused]] bool cancels) noexcept {
        if constexpr (has_on_stopped<observer_type>) {
            auto const asks = cancels && watch_.in_flight > 0;
            if (!watch_.begun || core_.stopped() == stop_cause::none) {
                return; // it comes behind the beginning; or it has ended before
            }
            if (!std::exchange(watch_.stopped, true) || asks) {
                stopped_event const e{reason_of(cause), asks, clock::now() - start_};
                job_.observer().on_stopped(e);
            }
        }
    }

    /// Tells that it begins, once; and what was not told so far, since that comes first.
    void tell_begun() {
        if constexpr (watches<observer_type>) {
            if (std::exchange(watch_.begun, true)) {
                return;
            }
            if constexpr (has_on_begun<observer_type>) {
                begun_event const e{job_.inputs()};
                job_.observer().on_begun(e);
            }
            tell_limit();
            tell_stopped(core_.stopped(), false); // the caller may have cancelled on the way here
        }
    }

    /// Tells the limit where it is another than was told.
    void tell_limit() {
        if constexpr (has_on_limit<observer_type>) {
            std::optional<std::size_t> n;
            try {
                n = job_.level();
            } catch (...) { // a limit of the caller's own that cannot tell now
            }
            if (n && n != watch_.limit) {
                watch_.limit = n;
                limit_event const e{*n, clock::now() - start_};
                job_.observer().on_limit(e);
            }
        }
    }

    /// What the retries cost goes back to the budget, where they sleep or wait: after a stop they will not run.
    void give_back_retries() noexcept {
        if constexpr (Job::retries) {
            core_.for_each_sleeping([this](resting& r) { job_.retry().give_back(r.item.memory); });
            if constexpr (admission::by_input) {
                if (waiting_.head) { // a fresh input has cost nothing
                    job_.retry().give_back(waiting_.head->item.memory);
                }
            }
        }
    }

    bool has_deadline() const noexcept { return Job::timed && deadline_; }

    /// Stops where the time `now` is past the deadline.
    void heed_deadline(time_point now) noexcept {
        if (has_deadline() && !(now < *deadline_)) {
            stop(stop_cause::deadline, cancel_cause::timeout);
        }
    }

    void fail_source() noexcept {
        if (!source_error_) {
            source_error_ = std::current_exception();
        }
        stop(stop_cause::source, Job::fail_fast ? cancel_cause::sibling : cancel_cause::none);
    }

    /// Sees to it that the timer fires when something is due next.
    void arm() noexcept {
        auto due = core_.next_due();
        auto const sooner = [&due](time_point t) { due = due && *due < t ? *due : t; };
        if (auto* l = Job::timed ? lanes_.soonest() : nullptr) {
            sooner(l->timeout);
        }
        if (has_deadline() && !cancelled_ && cancel_ == cancel_cause::none) {
            sooner(*deadline_);
        }
        if (due) {
            try {
                auto& f = static_cast<FanOut&>(*this);
                alarm_.set(f, f.executor(), &FanOut::on_alarm, *due);
            } catch (...) { // no memory for the timer: better to end than to wait for ever
                fail_source();
            }
        }
    }

    [[no_unique_address]] std::conditional_t<Threaded, std::mutex, no_mutex> mutex_;
    Job job_;
    time_point start_;
    std::optional<time_point> deadline_;
    core core_;
    lane_store<lane_type, Allocator, Job::homogeneous ? 0 : std::tuple_size_v<typename Job::child_types>>
        lanes_;
    wakeup<clock, Executor> alarm_;
    [[no_unique_address]] typename gate_of<Job>::type gate_;
    [[no_unique_address]] permit_waiting<admission, typename Job::item, place> waiting_;
    cancel_cause cancel_ = cancel_cause::none; ///< asked for, not yet emitted
    bool cancelled_ = false;                   ///< emitted to all
    [[no_unique_address]] std::conditional_t<watches<observer_type>, told, nothing_told> watch_;
    std::exception_ptr source_error_;
};

} // namespace fanout::detail
