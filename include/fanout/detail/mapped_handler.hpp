// SPDX-License-Identifier: BSL-1.0
#pragma once

// A completion handler behind a function that makes one kind of permit from another.

#include <fanout/detail/requirements.hpp>

#include <boost/asio/associator.hpp>

#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Calls `handler(error, map(permit))`; with an empty result where there was an error. It is the handler's in
/// all that is associated with it: executor, cancellation slot, allocator.
template <class Handler, class Map>
class mapped_handler {
public:
    mapped_handler(Handler handler, Map map) : handler_(std::move(handler)), map_(std::move(map)) {}

    template <class Error, class Permit>
    void operator()(Error const& error, Permit p) {
        using result = decltype(map_(std::move(p)));
        auto got = error ? result() : map_(std::move(p));
        std::move(handler_)(error, std::move(got));
    }

    Handler const& handler() const noexcept { return handler_; }

private:
    Handler handler_;
    Map map_;
};

template <class Handler, class Map>
mapped_handler<std::decay_t<Handler>, Map> mapped(Handler&& handler, Map map) {
    return {std::forward<Handler>(handler), std::move(map)};
}

} // namespace fanout::detail

template <template <class, class> class Associator, class Handler, class Map, class Default>
struct boost::asio::associator<Associator, fanout::detail::mapped_handler<Handler, Map>, Default>
    : Associator<Handler, Default> {
    static auto get(fanout::detail::mapped_handler<Handler, Map> const& h) noexcept {
        return Associator<Handler, Default>::get(h.handler());
    }
    static auto get(fanout::detail::mapped_handler<Handler, Map> const& h, Default const& d) noexcept {
        return Associator<Handler, Default>::get(h.handler(), d);
    }
};
