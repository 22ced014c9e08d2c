// SPDX-License-Identifier: BSL-1.0
#pragma once

// How work gets into a lane: the input, the place in its key, the permit of the limit; and how the two are
// given back.

#include <fanout/detail/fan_state.hpp>

#include <boost/config.hpp>

#include <exception>
#include <utility>

namespace fanout::detail {

/// The base of `FanOut` above its state.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class intake : public fan_state<FanOut, Job, Executor, Allocator, Threaded> {
    using base = fan_state<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using base::base;
    using base::looks_for_reentrancy;
    using typename base::admission;
    using typename base::clock;
    using typename base::lane_type;

protected:
    using base::admits;
    using base::arm;
    using base::core_;
    using base::gate_;
    using base::job_;
    using base::waiting_;
    using typename base::permit_type;

    /// Finds something to run on the lane, and a permit for it.
    BOOST_FORCEINLINE bool take_permit(lane_type& l) {
        if (this->has_deadline() && !this->cancelled_) { // the timer may be late
            this->heed_deadline(clock::now());
        }
        auto found = false;
        try {
            found = find_work(l);
        } catch (...) { // the source threw, or a function of the limit, or there is no memory
            this->fail_source();
        }
        if (!found) {
            unused(l);
            arm();
        }
        return found;
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
            this->leaves_permit(l);
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

private:
    BOOST_FORCEINLINE bool find_work(lane_type& l) {
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
            case grant::retry: wake(l); break;
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
    BOOST_FORCEINLINE bool pull(lane_type& l) {
        try {
            if (!job_.pull(l.item)) {
                core_.source_ended();
                return false;
            }
            job_.open(core_.pulled_count());
        } catch (...) {
            core_.source_ended(); // and all is stopped by whoever catches it
            throw;
        }
        if constexpr (Job::retries) {
            l.work = core_.pulled();
        } else {
            l.work.index = core_.pulled().index; // each attempt is the first
        }
        // No permit is asked, and no lane opened, for an input that is known not to be there.
        if constexpr (admits || !Job::homogeneous) {
            if (auto const n = job_.inputs(); n && *n <= core_.pulled_count()) {
                core_.no_more();
            }
        }
        if (core_.stopped() != stop_cause::none) { // by the source itself
            core_.skipped(l.work);
            return false;
        }
        return true;
    }

    /// A place in the input's key; else the input is put aside.
    bool enter_key(lane_type& l) {
        try {
            auto key = job_.key_of(l.item);
            if (core_.stopped() != stop_cause::none) { // by that function
                core_.skipped(l.work);
                return false;
            }
            parked_input<typename Job::item> entry{l.work, std::move(l.item)};
            l.place = gate_.enter(std::move(key), entry);
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

    /// An input whose sleep is over.
    void wake(lane_type& l) {
        auto [work, rest] = core_.retry();
        l.work = work;
        l.item = std::move(rest.item);
        l.place = rest.place;
        arm();
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
            if (!l.held.permit && core_.stopped() == stop_cause::none) {
                waiting_.head.emplace(l.work, std::move(l.item), l.place);
            }
        } catch (...) { // this child's own matter
            l.held.refusal = std::current_exception();
        }
        if (core_.stopped() != stop_cause::none) { // by the function that tells the weight
            core_.skipped(l.work);
            job_.retry().give_back(l.item.memory);
            return false;
        }
        if (l.held.permit || l.held.refusal) {
            return true;
        }
        core_.parked(l.work);
        static_cast<FanOut&>(*this).ask(r);
        return false;
    }
};

} // namespace fanout::detail
