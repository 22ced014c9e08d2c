// SPDX-License-Identifier: BSL-1.0
#pragma once

// A backend in virtual time: slots, a service time, a network, and what it does with more calls than it has
// slots for. Nothing here waits, and nothing here knows Asio.

#include <fanout/detail/requirements.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fanout::testing {

/// Events in virtual time: the clock jumps from one to the next. Events due at the same time run in the order
/// in which they were scheduled.
class simulation {
public:
    using duration = std::chrono::nanoseconds;

    /// The virtual time: 0 at first.
    duration now() const noexcept { return now_; }

    /// Runs `callback()` after `delay`. It may be movable only.
    template <std::invocable Callback>
    void schedule(duration delay, Callback callback) {
        events_.push_back({now_ + delay, next_++, std::make_unique<holder<Callback>>(std::move(callback))});
        std::push_heap(events_.begin(), events_.end(), later);
    }

    /// Runs the next event; false where there is none.
    bool step() {
        if (events_.empty()) {
            return false;
        }
        std::pop_heap(events_.begin(), events_.end(), later);
        auto const next = std::move(events_.back());
        events_.pop_back();
        now_ = next.at;
        next.what->run();
        return true;
    }

private:
    struct action {
        virtual ~action() = default;
        virtual void run() = 0;
    };

    template <class Callback>
    struct holder final : action {
        explicit holder(Callback c) : callback(std::move(c)) {}
        void run() override { callback(); }
        Callback callback;
    };

    struct event {
        duration at;
        std::uint64_t number;
        std::unique_ptr<action> what;
    };

    static bool later(event const& a, event const& b) noexcept {
        return std::pair(a.at, a.number) > std::pair(b.at, b.number);
    }

    std::vector<event> events_; // a heap
    std::uint64_t next_ = 0;
    duration now_{};
};

/// A backend with some slots, each of which serves one call at a time. A call travels for half the network's
/// latency, is served, and its answer travels for the other half.
///
/// @par Thread safety, lifetimes
///   One thread. It refers to the simulation, whose events refer to it until they are run or destroyed.
class backend {
public:
    using duration = simulation::duration;

    /// What it does without a free slot.
    enum class overload : std::uint8_t {
        rejects, ///< no free slot: the call is turned away at once (it still pays for the network)
        queues,  ///< no free slot: the call waits for its turn, first come first served
    };

    /// What it is like.
    struct options {
        overload when_full = overload::rejects;
        std::size_t slots = 40;                            ///< at least 1
        duration service = std::chrono::milliseconds(10);  ///< how long a call holds a slot
        duration network = std::chrono::microseconds(200); ///< there and back; holds no slot
        double jitter = 0;                                 ///< each time is drawn from U(1-jitter, 1+jitter)
        std::uint32_t seed = 1;                            ///< of the jitter
    };

    /// An idle backend in the time of `s`.
    ///
    /// @throws std::invalid_argument where there are no slots, no service time, a network without latency (a
    ///   call that is turned away would come again at the same instant, for ever), or jitter not in [0, 1).
    backend(simulation& s, options const& o) : simulation_(&s), options_(o), generator_(o.seed) {
        if (o.slots == 0 || o.service.count() <= 0 || o.network.count() < 2 ||
            !(o.jitter >= 0 && o.jitter < 1)) {
            throw std::invalid_argument(
                "fanout::testing::backend: slots and service are at least 1, network at "
                "least 2 ns, and jitter lies within [0, 1)");
        }
    }
    backend(backend const&) = delete; // its events refer to it
    backend& operator=(backend const&) = delete;

    /// Calls it; `done(rejected)` runs when the answer is there.
    void call(std::function<void(bool rejected)> done) {
        pending p{std::move(done), simulation_->now()};
        simulation_->schedule(drawn(options_.network) / 2,
                              [this, p = std::move(p)]() mutable { arrive(std::move(p)); });
    }

    /// Changes the number of slots: calls that hold one are served to their end.
    void slots(std::size_t n) {
        options_.slots = n;
        take();
    }

    std::size_t slots() const noexcept { return options_.slots; }  ///< how many it has now
    std::size_t waiting() const noexcept { return queue_.size(); } ///< calls in its queue
    std::uint64_t served() const noexcept { return served_; }      ///< calls answered with a result so far
    std::uint64_t rejected() const noexcept { return rejected_; }  ///< calls turned away so far

    /// What a call took that was answered last.
    duration latency() const noexcept { return latency_; }

    /// What a call takes while there is a free slot, on average.
    duration unloaded() const noexcept { return options_.service + options_.network; }

    /// How many calls in flight keep each slot busy, and no call waiting: Little's law, slots · unloaded /
    /// service.
    double optimum() const noexcept {
        return static_cast<double>(options_.slots) * static_cast<double>(unloaded().count()) /
               static_cast<double>(options_.service.count());
    }

    /// How many calls it serves in this time while each slot is busy: what no limit can exceed.
    double capacity(duration time) const noexcept {
        return static_cast<double>(options_.slots) * static_cast<double>(time.count()) /
               static_cast<double>(options_.service.count());
    }

private:
    struct pending {
        std::function<void(bool)> done;
        duration since;
    };

    void arrive(pending&& p) {
        if (busy_ < options_.slots) {
            serve(std::move(p));
        } else if (options_.when_full == overload::queues) {
            queue_.push_back(std::move(p));
        } else {
            ++rejected_;
            answer(std::move(p), true);
        }
    }

    void serve(pending&& p) {
        ++busy_;
        simulation_->schedule(drawn(options_.service), [this, p = std::move(p)]() mutable {
            --busy_;
            ++served_;
            answer(std::move(p), false);
            take();
        });
    }

    void take() {
        while (busy_ < options_.slots && !queue_.empty()) {
            auto p = std::move(queue_.front());
            queue_.pop_front();
            serve(std::move(p));
        }
    }

    void answer(pending&& p, bool rejected) {
        simulation_->schedule(drawn(options_.network) / 2, [this, rejected, p = std::move(p)] {
            latency_ = simulation_->now() - p.since;
            p.done(rejected);
        });
    }

    duration drawn(duration mean) {
        if (options_.jitter == 0) {
            return mean;
        }
        std::uniform_real_distribution<double> around(1 - options_.jitter, 1 + options_.jitter);
        return duration(static_cast<duration::rep>(static_cast<double>(mean.count()) * around(generator_)));
    }

    simulation* simulation_;
    options options_;
    std::minstd_rand generator_;
    std::deque<pending> queue_;
    std::size_t busy_ = 0;
    std::uint64_t served_ = 0;
    std::uint64_t rejected_ = 0;
    duration latency_{};
};

} // namespace fanout::testing
