// SPDX-License-Identifier: BSL-1.0
#pragma once

// How a fan-out waits for a permit of a limit that others share: it stands in the line once, and leaves it when
// it has no more use for one.

#include <fanout/detail/counted_ref.hpp>
#include <fanout/detail/intake.hpp>
#include <fanout/detail/permit_end.hpp>
#include <fanout/detail/permit_waiting.hpp>
#include <fanout/detail/step.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <utility>

namespace fanout::detail {

/// The base of `FanOut` above its intake. Where there are threads, the limit is asked on the fan-out's own strand.
template <class FanOut, class Job, class Executor, class Allocator, bool Threaded>
class asking : public intake<FanOut, Job, Executor, Allocator, Threaded> {
    using base = intake<FanOut, Job, Executor, Allocator, Threaded>;

public:
    using base::base;
    using typename base::admission;
    using typename base::guard;

    /// Whoever calls holds the mutex.
    void ask(typename admission::request const& r) {
        core_.asked();
        waiting_.wanted = r;
        waiting_.withdrawn = false;
        if constexpr (Threaded) {
            try {
                boost::asio::post(self().executor(), make_step<&asking::line_up>(ref(&self())));
            } catch (...) {
                core_.answered();
                throw;
            }
        } else {
            stand_in_line();
        }
    }

    void stand_in_line() {
        auto useless = false;
        if constexpr (Threaded) { // things may have changed on the way here
            guard const lock(this->mutex_);
            useless = !core_.has_use_for_permit();
        }
        try {
            if (useless) {
                answered(nullptr, {});
            } else {
                job_.admission().async_acquire(waiting_.wanted,
                                               permit_end<any_ref, Executor, permit_type>(
                                                   erased(ref(&self())), self().executor(),
                                                   &asking::take_answer, waiting_.withdrawal.slot()));
            }
        } catch (...) {
            waiting_.withdrawal.slot().clear(); // what the limit left there may own the fan-out
            answer_later(std::current_exception());
        }
    }

    /// The limit threw: as if it had completed with that, which it must not do before the call returns.
    void answer_later(std::exception_ptr error) {
        try {
            boost::asio::post(self().executor(),
                              make_step<&asking::take_error>(ref(&self()), std::move(error)));
        } catch (...) {
            guard const lock(this->mutex_);
            core_.answered();
            this->fail_source();
        }
    }

    /// The limit has answered.
    void answered(std::exception_ptr error, typename base::permit_type permit) {
        {
            guard const lock(this->mutex_);
            core_.answered();
            if (!error) {
                waiting_.spare = std::move(permit);
            } else if (!waiting_.withdrawn) {
                waiting_.refusal = std::move(error);
            }
            if (waiting_.head) {
                core_.may_resume();
            }
        }
        self().pump();
    }

    /// A permit that came when it was of no more use.
    void drop_spare() noexcept {
        if constexpr (base::admits) {
            waiting_.refusal = nullptr;
            if (waiting_.spare) {
                waiting_.spare.release(feedback{});
                waiting_.spare = typename base::permit_type();
            }
        }
    }

    /// True once, where the fan-out stands in the line for nothing.
    bool must_withdraw() noexcept {
        return core_.asking() && !core_.has_use_for_permit() && !std::exchange(waiting_.withdrawn, true);
    }

    void withdraw() noexcept {
        if constexpr (Threaded) {
            boost::asio::post(self().executor(), make_step<&asking::withdraw_there>(ref(&self())));
        } else {
            emit_withdrawal();
        }
    }

    void emit_withdrawal() { waiting_.withdrawal.emit(boost::asio::cancellation_type::terminal); }

protected:
    using base::core_;
    using base::job_;
    using base::waiting_;
    using typename base::permit_type;

private:
    using ref = counted_ref<FanOut>;

    static void line_up(ref self) {
        FanOut::enter(std::move(self), [](FanOut& f) { f.stand_in_line(); });
    }
    static void withdraw_there(ref self) {
        FanOut::enter(std::move(self), [](FanOut& f) { f.emit_withdrawal(); });
    }
    static void take_answer(any_ref self, std::exception_ptr error, permit_type&& permit) {
        FanOut::enter(unerased<FanOut>(std::move(self)),
                      [&](FanOut& f) { f.answered(std::move(error), std::move(permit)); });
    }
    static void take_error(ref self, std::exception_ptr error) {
        take_answer(erased(std::move(self)), std::move(error), {});
    }

    FanOut& self() noexcept { return static_cast<FanOut&>(*this); }
};

} // namespace fanout::detail
