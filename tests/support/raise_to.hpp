// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace test {

/// Makes `most` no less than `now`, whatever other threads do with it.
inline void raise_to(std::atomic<int>& most, int now) {
    for (auto seen = most.load(); now > seen && !most.compare_exchange_weak(seen, now);) {
    }
}

} // namespace test
