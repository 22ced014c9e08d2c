// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out gives to executors and timers, without its type: Asio's part in that, hundreds of functions, is
// instantiated once for all fan-outs of an executor, in place of once for each.

#include <fanout/detail/counted_ref.hpp>

#include <atomic>
#include <cstddef>
#include <tuple>
#include <utility>

namespace fanout::detail {

/// A fan-out, whatever its type: one can own it, and it can be asked for its type again by who knows that.
class any_fan_out {
public:
    any_fan_out(any_fan_out const&) = delete;
    any_fan_out& operator=(any_fan_out const&) = delete;

    void destroy() noexcept { destroy_(*this); }

protected:
    using destroyer = void (*)(any_fan_out&) noexcept;

    explicit any_fan_out(destroyer d) noexcept : destroy_(d) {}
    ~any_fan_out() = default;

    std::atomic<std::size_t> references_{0};

private:
    friend counted_ref<any_fan_out>;

    destroyer destroy_;
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

/// The step `What(counted_ref<FanOut>, args…)`.
template <auto What, class FanOut, class... Args>
step<Args...> make_step(counted_ref<FanOut> self, Args... args) {
    return step<Args...>(
        erased(std::move(self)),
        [](any_ref r, Args... as) { What(unerased<FanOut>(std::move(r)), std::move(as)...); },
        std::move(args)...);
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
