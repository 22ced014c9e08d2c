// SPDX-License-Identifier: BSL-1.0
#pragma once

// Finds a child that asks for a limit inside a permit of that same limit: once all permits are held by such
// children, each waits for another, for ever. Looked for in debug builds.

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace fanout::detail {

#ifdef NDEBUG
inline constexpr bool looks_for_reentrancy = false;
#else
inline constexpr bool looks_for_reentrancy = true;
#endif

/// Who runs inside a permit of which limit. A chain of coroutines that one `co_spawn` started is known by its
/// cancellation slot: all of its operations are given that one. (What a child starts by a `co_spawn` of its own
/// is another chain, and not found.)
///
/// A template, so that its maps are not compiled where no fan-out is.
template <class Slot>
class holders_of_permits {
    using slot = Slot;

public:
    static void enter(void const* limit, void const* lane, slot s) {
        std::lock_guard const lock(mutex());
        holders()[limit].insert_or_assign(lane, s);
    }

    static void leave(void const* limit, void const* lane) noexcept {
        std::lock_guard const lock(mutex());
        if (auto const at = holders().find(limit); at != holders().end() && at->second.erase(lane) > 0) {
            if (at->second.empty()) {
                holders().erase(at);
            }
        }
    }

    static bool holds(void const* limit, slot s) noexcept {
        if (!s.is_connected()) {
            return false;
        }
        std::lock_guard const lock(mutex());
        auto const at = holders().find(limit);
        return at != holders().end() && std::any_of(at->second.begin(), at->second.end(),
                                                    [s](auto const& h) { return h.second == s; });
    }

private:
    using lanes = std::unordered_map<void const*, slot>;
    static std::mutex& mutex() {
        static std::mutex m;
        return m;
    }
    static std::unordered_map<void const*, lanes>& holders() {
        static std::unordered_map<void const*, lanes> all;
        return all;
    }
};

using permit_holders = holders_of_permits<boost::asio::cancellation_slot>;

/// Says which limit a semaphore is the line of.
struct part_of {
    void const* limit;
};

/// Whether whoever is behind the handler runs inside a permit of the limit.
template <class Handler>
bool asks_for_what_it_holds([[maybe_unused]] void const* limit,
                            [[maybe_unused]] Handler const& handler) noexcept {
    if constexpr (looks_for_reentrancy) {
        return permit_holders::holds(limit, boost::asio::get_associated_cancellation_slot(handler));
    } else {
        return false;
    }
}

} // namespace fanout::detail
