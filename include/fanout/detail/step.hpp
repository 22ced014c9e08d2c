// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out gives to executors and timers, without its type: Asio's part in that, hundreds of functions, is
// instantiated once for all fan-outs of an executor, in place of once for each.

#include <fanout/detail/counted_ref.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <tuple>
#include <utility>

namespace fanout::detail {

class any_fan_out;
struct lane_head;

/// What a fan-out does where its type is not known. (Virtual functions would have debuggers look for its type by its name,
/// which they do not find.)
struct fan_out_functions {
    void (*destroy)(any_fan_out&) noexcept;
    /// A coroutine lane has ended. Takes over a reference.
    void (*end_of_lane)(any_fan_out&, lane_head&);
    /// So has one that was its only child, which yielded `*value`, if no error. Takes over a reference.
    void (*end_of_child)(any_fan_out&, lane_head&, std::exception_ptr&&, void* value);
    /// The `Executor` that a lane runs on.
    void const* (*place_of)(any_fan_out const&, lane_head const&) noexcept;
};

/// A fan-out, whatever its type.
class any_fan_out {
public:
    any_fan_out(any_fan_out const&) = delete;
    any_fan_out& operator=(any_fan_out const&) = delete;

    fan_out_functions const& functions() const noexcept { return *functions_; }
    /// Whether children may be asked to end.
    bool cancellable() const noexcept { return cancellable_; }

protected:
    explicit any_fan_out(fan_out_functions const& f) noexcept : functions_(&f) {}
    ~any_fan_out() = default;

    std::atomic<std::size_t> references_{0};
    bool cancellable_ = false;

private:
    friend counted_ref<any_fan_out>;

    void destroy() noexcept { functions_->destroy(*this); }

    fan_out_functions const* functions_;
};

using any_ref = counted_ref<any_fan_out>;

template <class FanOut>
any_ref erased(counted_ref<FanOut> r) noexcept {
    return any_ref::adopt(r.release());
}
template <class FanOut>
counted_ref<FanOut> unerased(any_ref r) noexcept {
    return counted_ref<FanOut>::adopt(static_cast<FanOut*>(r.release()));
}

/// A step of a fan-out on its way through an executor. Owns the fan-out.
template <class... Args>
class step {
public:
    using function = void (*)(any_ref, Args...);

    step(any_ref self, function what, Args... args)
        : self_(std::move(self)), what_(what), args_(std::move(args)...) {}

    void operator()() {
        std::apply([this](Args&... args) { what_(std::move(self_), std::move(args)...); }, args_);
    }

private:
    any_ref self_;
    function what_;
    [[no_unique_address]] std::tuple<Args...> args_;
};

template <auto What, class FanOut, class... Args>
void run_step(any_ref self, Args... args) {
    What(unerased<FanOut>(std::move(self)), std::move(args)...);
}
/// The step `What(counted_ref<FanOut>, args…)`.
template <auto What, class FanOut, class... Args>
step<Args...> make_step(counted_ref<FanOut> self, Args... args) {
    return step<Args...>(erased(std::move(self)), &run_step<What, FanOut, Args...>, std::move(args)...);
}

/// The same with memory from an allocator.
template <class Step, class Allocator>
class step_in : Step {
public:
    using allocator_type = Allocator;

    step_in(Step s, Allocator const& a) : Step(std::move(s)), allocator_(a) {}

    allocator_type get_allocator() const noexcept { return allocator_; }

    using Step::operator();

private:
    [[no_unique_address]] Allocator allocator_;
};

} // namespace fanout::detail
