// SPDX-License-Identifier: BSL-1.0
#pragma once

// A lane runs children one after another: a coroutine lane for awaitables (coroutine_lane.hpp), a handler lane for Asio
// operations (handler_lane.hpp).

#include <fanout/detail/fan_core.hpp>
#include <fanout/detail/step.hpp>
#include <fanout/error.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/system/system_error.hpp>

#include <cstdint>
#include <exception>
#include <system_error>

namespace fanout::detail {

/// After so many children in a row a lane goes through the event loop, so that children which complete
/// synchronously starve nobody.
inline constexpr std::uint32_t children_per_turn = 256;

/// Why a running child was asked to end.
enum class cancel_cause : std::uint8_t { none, sibling, caller, timeout };

/// Where lanes run on the fan-out's own executor.
struct no_strand {};

/// What Asio's part in a coroutine lane needs of it.
struct lane_head {
    boost::asio::cancellation_signal signal;
};

/// One lane and the attempt it runs.
template <class TimePoint, class Item, class Strand, class Permit, class Place, class About, class Memory>
struct lane : lane_head {
    // Neighbours among the live lanes (or the free ones), and among those with a timeout, earliest first.
    lane* previous = nullptr;
    lane* next = nullptr;
    lane* sooner = nullptr;
    lane* later = nullptr;

    [[no_unique_address]] Strand strand; ///< its own, where children run in parallel
    ticket work{0, 1};
    Item item{};
    [[no_unique_address]] Permit held{}; ///< of the limit, where that gives out permits
    [[no_unique_address]] Place place{}; ///< in its key, where the limit is keyed
    [[no_unique_address]] About about{}; ///< of the attempt, where a factory takes it
    [[no_unique_address]] Memory memory; ///< of the operation that it runs
    TimePoint started{};
    TimePoint timeout{};
    std::uint32_t incarnation = 0; ///< counts attempts, to tell a cancellation that comes too late
    std::uint32_t until_turn = children_per_turn;
    std::uint32_t number = 0; ///< of the lane, for observers; the store gives it
    cancel_cause cause = cancel_cause::none;
    bool running = false;
    bool timed = false;
    bool initiating = false;
    bool ended_in_initiation = false;
};

/// The error code of what was thrown; call it in a catch block.
inline error_code current_error_code() noexcept {
    try {
        throw;
    } catch (boost::system::system_error const& e) {
        return e.code();
    } catch (std::system_error const& e) {
        return e.code();
    } catch (
        boost::asio::multiple_exceptions const& several) { // of awaitable_operators: the first one counts
        if (auto const first = several.first_exception()) {
            try {
                std::rethrow_exception(first);
            } catch (...) {
                return current_error_code();
            }
        }
        return errc::exception;
    } catch (...) {
        return errc::exception;
    }
}

} // namespace fanout::detail
