// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a fan-out's inputs come from: a range, pulled one by one.

#include <algorithm> // the concepts of ranges, in each standard library; <ranges> takes longer to compile
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// A range that the caller keeps, as `std::ranges::ref_view`.
template <std::ranges::range Range>
class borrowed_range {
public:
    explicit borrowed_range(Range& range) noexcept : range_(std::addressof(range)) {}

    auto begin() const { return std::ranges::begin(*range_); }
    auto end() const { return std::ranges::end(*range_); }
    auto size() const
        requires std::ranges::sized_range<Range>
    {
        return std::ranges::size(*range_);
    }

private:
    Range* range_;
};

/// How the inputs of a call are kept: a view as it is, another lvalue borrowed, another rvalue moved in.
template <std::ranges::viewable_range Inputs>
using kept_range_t =
    std::conditional_t<std::ranges::view<std::remove_cvref_t<Inputs>> || !std::is_lvalue_reference_v<Inputs>,
                       std::remove_cvref_t<Inputs>, borrowed_range<std::remove_reference_t<Inputs>>>;

/// Room for an element that its range makes on the fly. What is scalar needs no sign that it is there.
template <class T>
struct scalar_room {
    T value{};
    void emplace(T v) noexcept { value = v; }
    T& operator*() noexcept { return value; }
    T const& operator*() const noexcept { return value; }
};
template <class T>
using room_for = std::conditional_t<std::is_scalar_v<T>, scalar_room<T>, std::optional<T>>;

/// Pulls the elements of a range. An element that lives in its range is handed on as it is there; one that the
/// range makes on the fly is kept in the lane while its child runs, so that the factory may take it by reference.
///
/// `Again` says that an input may be run more than once, and so must not be moved from.
template <std::ranges::input_range Range, bool Again>
class range_source {
    using reference = std::ranges::range_reference_t<Range>;
    static constexpr bool lives_in_range =
        std::ranges::forward_range<Range> && std::is_lvalue_reference_v<reference>;
    using stored = std::conditional_t<std::is_lvalue_reference_v<reference>,
                                      std::ranges::range_value_t<Range>, std::remove_cvref_t<reference>>;

public:
    /// What is kept of an input while it runs or sleeps.
    using item = std::conditional_t<lives_in_range, std::remove_reference_t<reference>*, room_for<stored>>;

    /// What the factory is called with.
    using input =
        std::conditional_t<lives_in_range, reference, std::conditional_t<Again, stored const&, stored&&>>;

    explicit range_source(Range range) : range_(std::move(range)) {}

    range_source(range_source&& other) noexcept(std::is_nothrow_move_constructible_v<Range>)
        : range_(std::move(other.range_)) {
    } // an iterator into the range would not move with it: begin() comes later

    void begin() { at_.emplace(std::ranges::begin(range_)); }

    /// The next input; false at the end. Advances only now, so that a source is never ahead of its permits.
    bool pull(item& to) {
        if (first_) [[unlikely]] {
            first_ = false;
        } else {
            ++*at_;
        }
        if (*at_ == std::ranges::end(range_)) {
            first_ = true;
            return false;
        }
        if constexpr (lives_in_range) {
            to = std::addressof(**at_);
        } else {
            to.emplace(**at_);
        }
        return true;
    }

    /// The input, to look at.
    static auto const& peek(item const& from) { return *from; }

    static input get(item& from) { return static_cast<input>(*from); }

    /// How many inputs there are, where that can be known without running the source.
    std::optional<std::size_t> size() {
        if constexpr (std::ranges::sized_range<Range>) {
            return static_cast<std::size_t>(std::ranges::size(range_));
        } else {
            return std::nullopt;
        }
    }

    /// How many inputs there are, where that can be counted: a range that is not sized is counted where its end is an
    /// iterator of it, since only then it is known to have one.
    std::optional<std::size_t> total() {
        if constexpr (std::ranges::sized_range<Range>) {
            return static_cast<std::size_t>(std::ranges::size(range_));
        } else if constexpr (std::ranges::forward_range<Range> && std::ranges::common_range<Range>) {
            return static_cast<std::size_t>(std::ranges::distance(range_));
        } else {
            return std::nullopt;
        }
    }

private:
    Range range_;
    std::optional<std::ranges::iterator_t<Range>> at_;
    bool first_ = true;
};

} // namespace fanout::detail
