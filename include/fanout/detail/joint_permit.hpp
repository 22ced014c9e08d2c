// SPDX-License-Identifier: BSL-1.0
#pragma once

// A permit of each of several limits, as one.

#include <fanout/limit/admission.hpp>
#include <fanout/limit/feedback.hpp>

#include <atomic>
#include <cstddef>
#include <tuple>
#include <type_traits>

namespace fanout::detail {

/// The place in a tuple of the one whose type has something that others have not; the size where none has.
template <template <class> class Has, class... Ts>
consteval std::size_t place_of() {
    std::size_t at = 0;
    (void)(... || (Has<Ts>::value || (++at, false)));
    return at;
}

template <class Permit>
struct has_resource : std::bool_constant<carries_resource<Permit>> {};

template <class... Permits>
class joint_permit;

/// What carries a resource among several permits, where one does.
template <bool, class Joint>
struct joint_resource {};

/// A permit of each; all are there, or none.
template <class... Permits>
class joint_permit : public joint_resource<(... || carries_resource<Permits>), joint_permit<Permits...>> {
public:
    explicit operator bool() const noexcept {
        return std::apply([](auto const&... p) { return (... && static_cast<bool>(p)); }, all);
    }

    void release(feedback const& f = {}) noexcept {
        std::apply([&](auto&... p) { (end(p, f), ...); }, all);
    }

    bool renew(feedback const& f, std::size_t own_waiters) noexcept
        requires(... && renewable<Permits>)
    {
        // The first that is not renewed has ended; those before it have had their words, and those behind it
        // are ended with the same. The fan-out's one waiter stands in the line of one of them only.
        std::size_t renewed = 0;
        auto const own = [&] { return standing_at != nullptr && *standing_at == renewed ? own_waiters : 0; };
        std::apply([&](auto&... p) { (void)(... && (p.renew(f, own()) && (++renewed, true))); }, all);
        if (renewed == sizeof...(Permits)) {
            return true;
        }
        std::size_t i = 0;
        auto const end_one = [&](auto& p) {
            if (i == renewed) {
                p = {};
            } else {
                end(p, i < renewed ? feedback() : f);
            }
            ++i;
        };
        std::apply([&](auto&... p) { (end_one(p), ...); }, all);
        return false;
    }

    std::tuple<Permits...> all;
    std::atomic<std::size_t> const* standing_at = nullptr; ///< where the fan-out waits for more

private:
    /// A user's permit may be a plain struct: it is ended once, and only where there is one.
    static void end(auto& p, feedback const& f) noexcept {
        if (p) {
            p.release(f);
            p = {};
        }
    }
};

template <class... Permits>
struct joint_resource<true, joint_permit<Permits...>> {
    static constexpr auto where = place_of<has_resource, Permits...>();
    using resource_type = typename std::tuple_element_t<where, std::tuple<Permits...>>::resource_type;

    resource_type* resource() const noexcept {
        return std::get<where>(static_cast<joint_permit<Permits...> const&>(*this).all).resource();
    }
    auto make() { return std::get<where>(static_cast<joint_permit<Permits...>&>(*this).all).make(); }
};

} // namespace fanout::detail
