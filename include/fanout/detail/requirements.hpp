// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the library cannot do without, said in one line. Each public header comes by this one before anything of its
// own, and so before whatever else a compiler would say.

#if (defined(_MSVC_LANG) && _MSVC_LANG < 202002L) || (!defined(_MSVC_LANG) && __cplusplus < 202002L)
#error "fanout needs C++20: compile with -std=c++20 or newer (MSVC: /std:c++20)"
#endif

#include <boost/version.hpp>

#if BOOST_VERSION < 108300
#error "fanout needs Boost 1.83 or newer"
#endif
