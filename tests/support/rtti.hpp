// SPDX-License-Identifier: BSL-1.0
#pragma once

// Whether a test can give a stream a facet of its own: libstdc++ casts it dynamically as it installs it.

namespace test {

#ifdef __cpp_rtti
inline constexpr bool has_rtti = true;
#else
inline constexpr bool has_rtti = false;
#endif

} // namespace test
