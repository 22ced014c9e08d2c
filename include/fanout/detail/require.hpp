// SPDX-License-Identifier: BSL-1.0
#pragma once

// How options that make no sense are refused.

#include <fanout/detail/requirements.hpp>

#include <stdexcept>
#include <string>

namespace fanout::detail {

/// `fanout::<what>: <rule>`, where the rule does not hold.
inline void require(bool holds, char const* what, char const* rule) {
    if (!holds) {
        throw std::invalid_argument(std::string("fanout::") + what + ": " + rule);
    }
}

} // namespace fanout::detail
