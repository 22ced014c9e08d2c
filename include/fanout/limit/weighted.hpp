// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that take more than one permit of a semaphore.

#include <fanout/limit/semaphore.hpp>
#include <fanout/named.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace fanout {

/// What `weighted(semaphore, weight)` makes.
template <class Weight>
class weighted_t {
public:
    /// Refers to the semaphore, and keeps the weight.
    weighted_t(semaphore& s, Weight weight) : semaphore_(&s), weight_(std::move(weight)) {}

    /// The semaphore.
    semaphore& base() const noexcept { return *semaphore_; }
    /// The number of permits, or what tells it of an input.
    Weight const& weight() const noexcept { return weight_; }

private:
    semaphore* semaphore_;
    Weight weight_;
};

/// Each child takes `weight` permits of `s`: a number for all, or a function of the input.
///
///     fanout::semaphore memory(512); // MiB
///     auto const size = [](file const& f) { return f.mebibytes; };
///     co_await fanout::when_all(files, load, fanout::weighted(memory, size));
///
/// A weight above the semaphore's permits counts as all of them, so that the child runs alone. A function is called on
/// the fan-out's executor with an input that was pulled and waits for its permits; the inputs behind it wait, too.
///
/// @param s Has the permits.
/// @param weight At least 1.
/// @returns A limit for one call.
/// @throws std::invalid_argument where a number is below 1. A function that returns 0 or throws rejects its child.
/// @par Lifetimes
///   `s` is borrowed, and must outlive the call; a function is copied or moved.
template <std::integral N>
weighted_t<std::size_t> weighted(semaphore& s, N weight) {
    return {s, weight > 0 ? static_cast<std::size_t>(weight)
                          : throw std::invalid_argument("fanout::weighted: a weight must be at least 1")};
}
/// Likewise, with a function of the input for a weight.
///
/// @param s Has the permits.
/// @param weight Called with an input: how many permits its child takes.
/// @returns A limit for one call. Needs the form of inputs and a factory.
/// @par Lifetimes
///   `s` is borrowed, and must outlive the call; `weight` is copied or moved.
template <class F>
    requires(!std::integral<std::remove_cvref_t<F>>)
weighted_t<std::decay_t<F>> weighted(semaphore& s, F&& weight) {
    detail::refuse_unsafe_closure<F>();
    return {s, std::forward<F>(weight)};
}

} // namespace fanout
