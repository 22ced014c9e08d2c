// SPDX-License-Identifier: BSL-1.0
#pragma once

// From a number to a type.

#include <cstddef>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Calls `f(integral_constant)` with `i`.
template <std::size_t N, class F>
void visit_index(std::size_t i, F&& f) {
    [&]<std::size_t... Is>(std::index_sequence<Is...>) {
        (void)(... || (i == Is && (f(std::integral_constant<std::size_t, Is>{}), true)));
    }(std::make_index_sequence<N>());
}

} // namespace fanout::detail
