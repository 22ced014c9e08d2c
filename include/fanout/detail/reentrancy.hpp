// SPDX-License-Identifier: BSL-1.0
#pragma once

// Finds a child that asks for a limit inside a permit of that same limit: once all permits are held by such children, each
// waits for another, for ever. Looked for in debug builds.

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <iterator>
#include <mutex>
#include <unordered_map>

namespace fanout::detail {

#ifdef NDEBUG
inline constexpr bool looks_for_reentrancy = false;
#else
inline constexpr bool looks_for_reentrancy = true;
#endif

/// Who runs inside a permit of which limit. A chain of coroutines that one `co_spawn` started is known by its cancellation
/// slot: all of its operations are given that one. (What a child starts by a `co_spawn` of its own is another chain, and
/// not found.)
class permit_holders {
    using slot = boost::asio::cancellation_slot;

public:
    static void enter(void const* limit, void const* lane, slot s) {
        std::lock_guard const lock(mutex());
        holders().emplace(limit, holder{lane, s});
    }

    static void leave(void const* limit, void const* lane) noexcept {
        std::lock_guard const lock(mutex());
        auto [at, end] = holders().equal_range(limit);
        while (at != end) {
            at = at->second.lane == lane ? holders().erase(at) : std::next(at);
        }
    }

    static bool holds(void const* limit, slot s) noexcept {
        if (!s.is_connected()) {
            return false;
        }
        std::lock_guard const lock(mutex());
        auto [at, end] = holders().equal_range(limit);
        for (; at != end; ++at) {
            if (at->second.where == s) {
                return true;
            }
        }
        return false;
    }

private:
    struct holder {
        void const* lane;
        slot where;
    };
    static std::mutex& mutex() {
        static std::mutex m;
        return m;
    }
    static std::unordered_multimap<void const*, holder>& holders() {
        static std::unordered_multimap<void const*, holder> all;
        return all;
    }
};

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
