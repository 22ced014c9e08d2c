// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the library of allocations.cpp tells to a program that it was loaded with.

#include <cstddef>

/// Since the program began, by malloc and its relatives: operator new and Asio's aligned_alloc end there, too.
struct bench_allocations_made {
    std::size_t count; ///< allocations
    std::size_t bytes; ///< what was asked for in all of them
    std::size_t live;  ///< what the blocks that live now can hold
    std::size_t peak;  ///< the most that `live` was since the last call of bench_allocations
};

using bench_allocations_function = bench_allocations_made();
