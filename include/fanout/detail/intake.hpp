// SPDX-License-Identifier: BSL-1.0
#pragma once

// How work gets into a lane: the input, the place in its key, the permit of the limit. And how a fan-out stops.

#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/key_gate.hpp>
#include <fanout/detail/lane.hpp>
#include <fanout/detail/lane_store.hpp>
#include <fanout/detail/limit_parts.hpp>
#include <fanout/detail/permit_waiting.hpp>
#include <fanout/detail/reentrancy.hpp>
#include <fanout/detail/wakeup.hpp>

#include <boost/asio/cancellation_type.hpp>

#include <chrono>
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

struct no_place {};
struct no_gate {};

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

/// The first base of `FanOut`. Where it is `Threaded`, whoever calls holds the mutex, by a `guard`.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class intake {
public:
    static constexpr bool looks_for_reentrancy =
        detail::looks_for_reentrancy && !std::is_same_v<typename Job::admission_type, no_admission>;
    using clock = typename Job::clock;
    using time_point = typename clock::time_point;
    using admission = typename Job::admission_type;
    using place = typename gate_of<Job>::place;
    using lane_type = lane<time_point, typename Job::item, Executor, held_permit<admission>, place>;
    using guard = std::lock_guard<std::conditional_t<Threaded, std::mutex, no_mutex>>;

    intake(Job&& job, Allocator const& allocator)
        : job_(std::move(job)),
          start_(job_.needs_clock() ? clock::now() : time_point()),
          deadline_(job_.deadline(start_)),
          core_(job_.config(deadline_)),
          lanes_(allocator),
          gate_(gate_of<Job>::make(job_.per_key())) {}
    intake(intake const&) = delete;
    intake& operator=(intake const&) = delete;

protected:
    using permit_type = typename admission::permit_type;
    static constexpr bool admits = !std::is_same_v<admission, no_admission>;

    // ---- work

    /// Finds something to run on the lane, and a permit for it.
    bool take_permit(lane_type& l) {
        if (deadline_ && !cancelled_) { // the timer may be late
            heed_deadline(clock::now());
        }
        auto found = false;
        try {
            found = find_work(l);
        } catch (...) { // the source threw, or a function of the limit, or there is no memory
            fail_source();
        }
        if (!found) {
            unused(l);
            arm();
        }
        return found;
    }

    /// Stops where the time `now` is past the deadline.
    void heed_deadline(time_point now) noexcept {
        if (deadline_ && !(now < *deadline_)) {
            stop(stop_cause::deadline, cancel_cause::timeout);
        }
    }

    /// The permit of a lane that has nothing to run goes back.
    void unused([[maybe_unused]] lane_type& l) noexcept {
        if constexpr (admits) {
            l.held.refusal = nullptr;
            if (l.held.permit) {
                l.held.permit.release(feedback{});
                l.held.permit = permit_type();
            }
        }
    }

    /// A child has settled: its permit goes back, or stays with the lane for the next child.
    void give_back([[maybe_unused]] lane_type& l, [[maybe_unused]] feedback::kind what,
                   [[maybe_unused]] state ended) noexcept {
        if constexpr (looks_for_reentrancy) {
            job_.admission().each_held([&](void const* limit) { permit_holders::leave(limit, &l); });
        }
        if constexpr (admits) {
            auto& permit = l.held.permit;
            if (!permit) {
                return; // it was refused one
            }
            feedback f{what, {}, ended};
            if constexpr (admission::wants_latency) {
                f.latency = clock::now() - l.started;
            }
            if constexpr (renewable<permit_type> && Job::homogeneous && !admission::by_input) {
                if (permit.renew(f, core_.asking() ? 1 : 0)) {
                    return;
                }
            } else {
                permit.release(f);
            }
            permit = permit_type();
        }
    }

    /// The lane's input has ended, retries included: the next of its key may start.
    void leave_key([[maybe_unused]] lane_type& l) noexcept {
        if constexpr (Job::keyed) {
            if (gate_.leave(l.place) && core_.stopped() == stop_cause::none) {
                core_.may_resume();
            }
        }
    }

    // ---- stopping

    void stop(stop_cause cause, cancel_cause cancel) noexcept {
        if (core_.stop(cause)) {
            if constexpr (Job::keyed) {
                gate_.clear();
            }
            if constexpr (admission::by_input) {
                waiting_.head.reset();
            }
        }
        if (cancel != cancel_cause::none && cancel_ == cancel_cause::none && !cancelled_) {
            cancel_ = cancel; // leave() emits it
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
        if (auto* l = lanes_.soonest()) {
            sooner(l->timeout);
        }
        if (deadline_ && !cancelled_ && cancel_ == cancel_cause::none) {
            sooner(*deadline_);
        }
        if (due) {
            try {
                alarm_.set(static_cast<FanOut&>(*this), *due);
            } catch (...) { // no memory for the timer: better to end than to wait for ever
                fail_source();
            }
        }
    }

    [[no_unique_address]] std::conditional_t<Threaded, std::mutex, no_mutex> mutex_;
    Job job_;
    time_point start_;
    std::optional<time_point> deadline_;
    fan_core<time_point, typename Job::item> core_;
    lane_store<lane_type, Allocator> lanes_;
    wakeup<FanOut, clock, Executor> alarm_;
    [[no_unique_address]] typename gate_of<Job>::type gate_;
    [[no_unique_address]] permit_waiting<admission, typename Job::item, place> waiting_;
    cancel_cause cancel_ = cancel_cause::none; ///< asked for, not yet emitted
    bool cancelled_ = false;                   ///< emitted to all
    std::exception_ptr source_error_;

private:
    bool find_work(lane_type& l) {
        if constexpr (admission::by_input) {
            if (core_.asking()) {
                return false; // those behind the one that waits do not overtake it
            }
        }
        for (;;) {
            if constexpr (admits && !admission::by_input) {
                if (!has_permit(l)) {
                    return false;
                }
            }
            switch (core_.take()) {
            case grant::none: return false;
            case grant::parked: resume(l); break;
            case grant::retry:
                std::tie(l.work, l.item) = core_.retry();
                arm();
                if constexpr (Job::keyed) {
                    l.place = gate_.find(job_.key_of(l.item));
                }
                break;
            case grant::fresh:
                if (!pull(l)) {
                    continue; // an input that was parked, or whose sleep is over, may be there; a fresh one is not
                }
                if constexpr (Job::keyed) {
                    if (!enter_key(l)) {
                        continue;
                    }
                }
            }
            if constexpr (admission::by_input) {
                return has_permit_of_its_own(l);
            } else {
                return true;
            }
        }
    }

    /// The next input; false where there is none.
    bool pull(lane_type& l) {
        try {
            if (!job_.pull(l.item)) {
                core_.source_ended();
                return false;
            }
            job_.open(core_.pulled_count());
        } catch (...) {
            core_.source_failed();
            throw;
        }
        l.work = core_.pulled();
        if (core_.stopped() != stop_cause::none) { // by the source itself
            core_.skipped(l.work);
            return false;
        }
        return true;
    }

    /// A place in the input's key; else the input is put aside.
    bool enter_key(lane_type& l) {
        try {
            parked_input<typename Job::item> entry{l.work, std::move(l.item)};
            l.place = gate_.enter(job_.key_of(entry.item), entry);
            if (l.place != nullptr) {
                l.item = std::move(entry.item);
                return true;
            }
        } catch (...) {
            core_.skipped(l.work);
            throw;
        }
        core_.parked(l.work);
        return false;
    }

    /// An input that was parked, whose turn it is.
    void resume([[maybe_unused]] lane_type& l) {
        if constexpr (admission::by_input) {
            if (waiting_.head) {
                l.work = waiting_.head->work;
                l.item = std::move(waiting_.head->item);
                l.place = waiting_.head->place;
                waiting_.head.reset();
                core_.resumed(l.work);
                return;
            }
        }
        if constexpr (Job::keyed) {
            auto [at, entry] = gate_.pop();
            l.work = entry.work;
            l.item = std::move(entry.item);
            l.place = at;
            core_.resumed(l.work);
        }
    }

    /// A permit for whatever comes; where there is none, the fan-out waits for one.
    bool has_permit(lane_type& l) {
        if (l.held.permit || l.held.refusal) {
            return true;
        }
        if (!core_.wants_lane()) {
            return false;
        }
        if (waiting_.take(l.held)) {
            return true;
        }
        auto const r = job_.admission().ask();
        l.held.permit = job_.admission().try_acquire(r);
        if (!l.held.permit) {
            static_cast<FanOut&>(*this).ask(r);
        }
        return static_cast<bool>(l.held.permit);
    }

    /// A permit for this input; where there is none, the input waits for it, and those behind it do.
    bool has_permit_of_its_own(lane_type& l) {
        if (waiting_.take(l.held)) {
            return true;
        }
        typename admission::request r{};
        try {
            r = job_.admission().ask(job_.peek(l.item));
            l.held.permit = job_.admission().try_acquire(r);
            if (l.held.permit) {
                return true;
            }
            waiting_.head.emplace(l.work, std::move(l.item), l.place);
        } catch (...) { // this child's own matter
            l.held.refusal = std::current_exception();
            return true;
        }
        core_.parked(l.work);
        static_cast<FanOut&>(*this).ask(r);
        return false;
    }
};

} // namespace fanout::detail
