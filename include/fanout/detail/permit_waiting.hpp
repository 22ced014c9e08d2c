// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fan-out holds of a shared limit: the permits of its lanes, and what it waits for.

#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/limit_parts.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace fanout::detail {

/// What a lane has from the limit: a permit, or the error that it got in place of one, which its child ends with.
template <class Admission>
struct held_permit {
    typename Admission::permit_type permit{};
    std::exception_ptr refusal;
};
template <>
struct held_permit<no_admission> {};

/// An input that was pulled and waits for a permit of its own.
template <class Item, class Place>
struct waiting_head {
    waiting_head(ticket const& w, Item&& i, Place p) : work(w), item(std::move(i)), place(p) {}
    ticket work;
    Item item;
    [[no_unique_address]] Place place;
};

/// The one waiter of a fan-out, and what it came back with. (A user's permit may be a plain struct, which is
/// not empty after a move: what is given away is replaced by an empty one.)
template <class Admission, class Item, class Place>
struct permit_waiting {
    using permit_type = typename Admission::permit_type;

    /// Hands out what the waiter came back with, if anything.
    bool take(held_permit<Admission>& to) noexcept {
        if (refusal) {
            to.refusal = std::exchange(refusal, nullptr);
            return true;
        }
        if (spare) {
            to.permit = std::exchange(spare, permit_type());
            return true;
        }
        return false;
    }

    permit_type spare{};
    std::exception_ptr refusal;
    std::optional<waiting_head<Item, Place>> head; ///< only where permits depend on the input
    typename Admission::request wanted{};
    boost::asio::cancellation_signal withdrawal;
    bool withdrawn = false;
};
template <class Item, class Place>
struct permit_waiting<no_admission, Item, Place> {};

} // namespace fanout::detail
