// SPDX-License-Identifier: BSL-1.0
#pragma once

// The first errors of inputs that were rejected more than once, while these may still be fulfilled.

#include <fanout/error.hpp>
#include <fanout/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace fanout::detail {

/// Costs up to 8 bytes for each input, and up to 50 for each that is kept; nothing before the first is.
///
/// A template, so that its vectors and their sorting are not compiled where nothing is retried.
template <class First = first_failure>
class first_failures {
public:
    /// The input is rejected again: what it was rejected with before is its first error.
    template <class T>
    void keep(std::size_t index, settled<T> const& before) noexcept {
        try {
            auto [error, exception] = error_of(before);
            if (index >= place_.size()) {
                place_.resize((std::max)(index + 1, place_.size() * 2));
            }
            if (kept_.size() == kept_.capacity()) { // many at once would waste half of it by doubling
                kept_.reserve(kept_.size() + kept_.size() / 4 + 4);
            }
            kept_.push_back({index, error, std::move(exception)});
            place_[index] = static_cast<std::uint32_t>(kept_.size());
        } catch (...) {
            // No memory: its last error is what is known of it.
        }
    }

    bool has(std::size_t index) const noexcept { return index < place_.size() && place_[index] != 0; }

    /// The input was fulfilled after all.
    void forget(std::size_t index) noexcept {
        if (has(index)) {
            auto const at = std::exchange(place_[index], 0U) - 1;
            if (at + 1 < kept_.size()) {
                kept_[at] = std::move(kept_.back());
                place_[kept_[at].index] = at + 1;
            }
            kept_.pop_back();
        }
    }

    /// What is left, in the order of the inputs.
    std::vector<First> take() {
        std::sort(kept_.begin(), kept_.end(), [](auto const& a, auto const& b) { return a.index < b.index; });
        place_.clear();
        return std::move(kept_);
    }

private:
    std::vector<std::uint32_t> place_; ///< of an input among those kept, from 1; 0: it is not
    std::vector<First> kept_;
};

} // namespace fanout::detail
