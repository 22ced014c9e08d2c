// SPDX-License-Identifier: BSL-1.0
#pragma once
// Virtual time for millions of calls: a clock, and Asio's timer for it, which is an entry of a list and no business of
// a reactor's. (`fanout::testing::virtual_clock` has the reactor look at each turn: some system calls for each event.)

#include <chrono>

namespace lab {

class simulated_clock {
public:
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<simulated_clock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return current; }

    static inline constinit thread_local time_point current{};
};

} // namespace lab
