// SPDX-License-Identifier: BSL-1.0
// The one translation unit that holds Boost.MySQL's compiled part.
#include <boost/mysql/src.hpp>
