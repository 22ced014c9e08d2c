// SPDX-License-Identifier: BSL-1.0
#pragma once

// The version of the library, as one number and in its parts.

#include <fanout/detail/requirements.hpp>

// major * 10000 + minor * 100 + patch. A macro, so that a program can choose between versions in the preprocessor.
#define FANOUT_VERSION 100

namespace fanout {

/// @name The version's parts
/// What may change with each: docs/explanation/versions.md.
/// @{
inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;
/// @}

} // namespace fanout
