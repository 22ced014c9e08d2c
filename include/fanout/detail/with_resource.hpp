// SPDX-License-Identifier: BSL-1.0
#pragma once

// Children that are handed what their permit carries.

#include <fanout/concepts.hpp>
#include <fanout/limit/admission.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// A child whose resource must be made first. Permit, factory and input outlive it.
template <class T, class Permit, class Factory, class Input>
boost::asio::awaitable<T> make_then_call(Permit& permit, Factory& factory, Input input) {
    co_await permit.make();
    auto child = std::invoke(factory, static_cast<Input>(input), *permit.resource());
    if constexpr (std::is_void_v<T>) {
        co_await std::move(child);
    } else {
        co_return co_await std::move(child);
    }
}

/// The child of an input whose factory takes the resource, too.
template <class Input, class Permit, class Factory>
auto call_with_resource(Permit& permit, Factory& factory, Input input) {
    using resource = typename Permit::resource_type;
    using made = std::remove_cvref_t<std::invoke_result_t<Factory&, Input, resource&>>;
    using value = raw_value_t<made>;
    if constexpr (std::is_same_v<made, boost::asio::awaitable<value>>) {
        if (permit.resource() != nullptr) {
            return std::invoke(factory, static_cast<Input>(input), *permit.resource());
        }
    } else {
        static_assert(!is_awaitable<made>,
                      "fanout: with a pool the factory returns an awaitable on any_io_executor");
    }
    return make_then_call<value, Permit, Factory, Input>(permit, factory, static_cast<Input>(input));
}

/// The type of the children that a factory makes of inputs.
template <class Factory, class Input, class Permit>
struct maker {
    using type = std::invoke_result_t<Factory&, Input>;
};
template <class Factory, class Input, carries_resource Permit>
struct maker<Factory, Input, Permit> {
    using resource = typename Permit::resource_type;
    static_assert(std::is_invocable_v<Factory&, Input, resource&>,
                  "fanout: with a pool the factory is called with an input and a resource of the pool");
    using child_type = std::invoke_result_t<Factory&, Input, resource&>;
    static_assert(child<child_type>,
                  "fanout: the factory must return a boost::asio::awaitable or an Asio operation "
                  "(as async_xxx(..., boost::asio::deferred) does)");
    using type = boost::asio::awaitable<raw_value_t<child_type>>;
};
template <class Factory, class Input, class Permit>
using made_by = typename maker<Factory, Input, Permit>::type;

} // namespace fanout::detail
