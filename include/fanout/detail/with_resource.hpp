// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that are handed what their permit carries.

#include <fanout/concepts.hpp>
#include <fanout/detail/call_factory.hpp>
#include <fanout/limit/admission.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <type_traits>
#include <utility>

namespace fanout::detail {

/// A child whose resource must be made first. Permit, factory, attempt and input outlive it.
template <class T, class Attempt, class Permit, class Factory, class About, class Input>
boost::asio::awaitable<T> make_then_call(Permit& permit, Factory& factory, About const& about, Input input) {
    co_await permit.make();
    auto child = call_factory<Attempt>(factory, about, static_cast<Input>(input), *permit.resource());
    if constexpr (std::is_void_v<T>) {
        co_await std::move(child);
    } else {
        co_return co_await std::move(child);
    }
}

/// The child of an input whose factory takes the resource, too.
template <class Attempt, class Input, class Permit, class Factory, class About>
auto call_with_resource(Permit& permit, Factory& factory, About const& about, Input input) {
    using resource = typename Permit::resource_type;
    using made = std::remove_cvref_t<made_of_t<Attempt, Factory, Input, resource&>>;
    using value = raw_value_t<made>;
    if constexpr (std::is_same_v<made, boost::asio::awaitable<value>>) {
        if (permit.resource() != nullptr) {
            return call_factory<Attempt>(factory, about, static_cast<Input>(input), *permit.resource());
        }
    } else {
        static_assert(!is_awaitable<made>,
                      "fanout: with a pool the factory returns an awaitable on any_io_executor");
    }
    return make_then_call<value, Attempt, Permit, Factory, About, Input>(permit, factory, about,
                                                                         static_cast<Input>(input));
}

/// The type of the children that a factory makes of inputs, and whether it takes the attempt.
template <class Attempt, class Factory, class Input, class Permit>
struct maker {
    using type = made_of_t<Attempt, Factory, Input>;
    static constexpr bool wants_attempt = takes_attempt<Attempt, Factory, Input>;
};
template <class Attempt, class Factory, class Input, carries_resource Permit>
struct maker<Attempt, Factory, Input, Permit> {
    using resource = typename Permit::resource_type;
    using type = boost::asio::awaitable<raw_value_t<made_of_t<Attempt, Factory, Input, resource&>>>;
    static constexpr bool wants_attempt = takes_attempt<Attempt, Factory, Input, resource&>;
};

} // namespace fanout::detail
