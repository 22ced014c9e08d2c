// SPDX-License-Identifier: BSL-1.0
#pragma once

// Any limit, as the engine wants it: a window, keys, and an admission.

#include <fanout/detail/joint_admission.hpp>
#include <fanout/limit/admission.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Refuses shared limits that would be gone before the call ends, or could not count. (Each rule has a name, since clang
/// shows the rule before the sentence.)
template <class... As>
consteval bool check_shared_limits() {
    constexpr bool lasting = (... && (std::is_lvalue_reference_v<As> || !admission<std::remove_cvref_t<As>>));
    static_assert(
        lasting,
        "fanout: a shared limit given as a temporary would be gone before the call ends: give it a name");
    constexpr bool mutable_limits =
        (... && (!std::is_const_v<std::remove_reference_t<As>> || !admission<std::remove_cvref_t<As>>));
    static_assert(mutable_limits, "fanout: a shared limit counts its permits, so it cannot be const");
    return lasting && mutable_limits;
}

template <class T>
inline constexpr bool is_limit = admission<T>;
template <>
inline constexpr bool is_limit<window> = true;
template <>
inline constexpr bool is_limit<unlimited_t> = true;
template <class Key>
inline constexpr bool is_limit<keyed_t<Key>> = true;
template <class Weight>
inline constexpr bool is_limit<weighted_t<Weight>> = true;

/// Nothing to ask: a window says all.
struct no_admission {
    static constexpr bool by_input = false;
    static constexpr bool wants_latency = false;
    struct permit_type {};
    struct request {};
    static std::optional<std::size_t> level() noexcept { return std::nullopt; }
};

/// A limit that is asked for a permit, without regard to the input.
template <admission L>
class plain_admission {
public:
    static constexpr bool by_input = false;
    static constexpr bool wants_latency = uses_latency<L>;
    static constexpr bool acquired_last = is_acquired_last<L>;
    using permit_type = typename L::permit_type;
    struct request {};

    explicit plain_admission(L& l) noexcept : limit_(&l) {}

    void const* identity() const noexcept { return limit_; }
    /// Calls `f` with each limit of which a permit is held while a child runs.
    void each_held(auto f) const {
        if (!acquired_last) {
            f(identity());
        }
    }
    /// How many children it lets be in flight, where it can tell.
    std::optional<std::size_t> level() const {
        if constexpr (tells_limit<L>) {
            return limit_->limit();
        } else {
            return std::nullopt;
        }
    }
    request ask() const noexcept { return {}; }
    permit_type try_acquire(request) { return limit_->try_acquire(); }
    template <class Handler>
    void async_acquire(request, Handler&& handler) {
        limit_->async_acquire(std::forward<Handler>(handler));
    }

private:
    L* limit_;
};

/// A semaphore of which a child takes several permits.
template <class Weight>
class weighted_admission {
public:
    static constexpr bool by_input = !std::is_same_v<Weight, std::size_t>;
    static constexpr bool wants_latency = false;
    static constexpr bool acquired_last = false;
    using permit_type = semaphore::permit;
    using request = std::size_t;

    explicit weighted_admission(weighted_t<Weight>&& w) : limit_(std::move(w)) {}

    void const* identity() const noexcept { return &limit_.base(); }
    void each_held(auto f) const { f(identity()); }
    std::optional<std::size_t> level() const {
        if constexpr (by_input) {
            return std::nullopt;
        } else {
            return (std::max)(limit_.base().permits() / limit_.weight(), std::size_t{1});
        }
    }
    request ask() const noexcept { return limit_.weight(); }
    template <class Input>
    request ask(Input const& input) {
        if constexpr (by_input) {
            return checked(std::invoke(limit_.weight(), input));
        } else {
            return limit_.weight();
        }
    }
    permit_type try_acquire(request weight) { return limit_.base().try_acquire(weight); }
    template <class Handler>
    void async_acquire(request weight, Handler&& handler) {
        limit_.base().async_acquire(weight, std::forward<Handler>(handler));
    }

private:
    static request checked(std::integral auto weight) {
        if (!(weight > 0)) {
            throw std::invalid_argument("fanout::weighted: a weight must be at least 1");
        }
        return static_cast<request>(weight);
    }

    weighted_t<Weight> limit_;
};

/// Where nothing is keyed.
struct no_keys {
    static constexpr std::size_t lookahead() noexcept { return ~std::size_t{0}; }
};

template <class Keys, class Admission>
struct limit_parts {
    /// How many children may be in flight, where that is a number.
    std::optional<std::size_t> level() const {
        auto const n = admission.level();
        return window == unlimited.permits() ? n : (std::min)(window, n.value_or(window));
    }

    std::size_t window;
    Keys keys;
    Admission admission;
};
template <class Keys, class Admission>
limit_parts(std::size_t, Keys, Admission) -> limit_parts<Keys, Admission>;

template <class Limit>
struct limit_parts_of;
template <class Limit>
    requires std::is_same_v<Limit, window> || std::is_same_v<Limit, unlimited_t>
struct limit_parts_of<Limit> {
    static auto get(Limit const& l) { return limit_parts(l.permits(), no_keys(), no_admission()); }
};
template <admission Limit>
struct limit_parts_of<Limit> {
    static auto get(Limit& l) {
        return limit_parts(unlimited.permits(), no_keys(), plain_admission<Limit>(l));
    }
};
template <class Weight>
struct limit_parts_of<weighted_t<Weight>> {
    static auto get(weighted_t<Weight>& l) {
        return limit_parts(unlimited.permits(), no_keys(), weighted_admission<Weight>(std::move(l)));
    }
};
template <class Key>
struct limit_parts_of<keyed_t<Key>> {
    static auto get(keyed_t<Key>& l) {
        return limit_parts(unlimited.permits(), std::move(l), no_admission());
    }
};

template <class Limit>
auto parts_of(Limit& l) {
    return limit_parts_of<std::remove_const_t<Limit>>::get(l);
}

/// The parts of the limit that is given to a call: one that is shared is borrowed, any other is copied.
template <class Limit>
auto limit_parts_in(Limit& l) {
    if constexpr (admission<Limit>) {
        return parts_of(l);
    } else {
        auto copy = l;
        return parts_of(copy);
    }
}

/// Those of several limits that are not `None`.
template <class None, class Part>
auto unless_none(Part&& p) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Part>, None>) {
        return std::tuple<>();
    } else {
        return std::tuple<std::remove_cvref_t<Part>>(std::forward<Part>(p));
    }
}

/// Each of several limits: the smallest window, the keys of the one that has some, and all that must be asked.
template <class... Parts>
auto join_parts(Parts... p) {
    auto keys = std::tuple_cat(unless_none<no_keys>(std::move(p.keys))...);
    auto admissions = std::tuple_cat(unless_none<no_admission>(std::move(p.admission))...);
    constexpr auto keyed_ones = std::tuple_size_v<decltype(keys)>;
    constexpr auto asked_ones = std::tuple_size_v<decltype(admissions)>;
    static_assert(keyed_ones <= 1, "fanout: at most one limit of a call may be keyed");
    auto const smallest = (std::min)({p.window...});
    auto const with_keys = [&](auto admission) {
        if constexpr (keyed_ones == 0) {
            return limit_parts(smallest, no_keys(), std::move(admission));
        } else {
            return limit_parts(smallest, std::get<0>(std::move(keys)), std::move(admission));
        }
    };
    constexpr bool one_resource =
        (0 + ... + int(carries_resource<typename decltype(Parts::admission)::permit_type>)) <= 1;
    static_assert(one_resource, "fanout: at most one limit of a call may carry a resource for the factory");
    if constexpr (asked_ones == 0) {
        return with_keys(no_admission());
    } else if constexpr (asked_ones == 1 || !one_resource) {
        return with_keys(std::get<0>(std::move(admissions)));
    } else {
        return with_keys(make_joint_admission(std::move(admissions)));
    }
}

} // namespace fanout::detail
