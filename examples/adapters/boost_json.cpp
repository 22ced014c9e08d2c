// SPDX-License-Identifier: BSL-1.0
// The one translation unit that holds Boost.JSON's compiled part.
#include <boost/json/src.hpp>
