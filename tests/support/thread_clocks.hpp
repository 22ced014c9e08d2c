// SPDX-License-Identifier: BSL-1.0
#pragma once

// Clocks for tests on threads. They are not in these tests, since Asio's `wait_traits` cannot be specialised within the
// namespace that a test is in when it is compiled together with others.

#include <boost/asio/wait_traits.hpp>

#include <atomic>
#include <chrono>

namespace test {

/// A clock that one thread moves and others read.
struct common_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<common_clock>;
    [[maybe_unused]] static constexpr bool is_steady = true;
    static time_point now() noexcept { return time_point(duration(current.load())); }
    static inline std::atomic<rep> current{0};
};

/// A thousand times as fast as the steady clock, so that lines are drawn all the time.
struct fast_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<fast_clock>;
    static time_point now() noexcept {
        return time_point(std::chrono::steady_clock::now().time_since_epoch() % std::chrono::hours(1) * 1000);
    }
};

} // namespace test

template <>
struct boost::asio::wait_traits<test::common_clock> {
    /// How soon a thread that has nothing else to do looks at the clock again: not at once, for the others need the processors.
    template <class Wait>
    static std::chrono::microseconds to_wait_duration(Wait const&) noexcept {
        return std::chrono::microseconds(50);
    }
};

template <>
struct boost::asio::wait_traits<test::fast_clock> {
    static test::fast_clock::duration to_wait_duration(test::fast_clock::duration const& d) {
        return d / 1000;
    }
    static test::fast_clock::duration to_wait_duration(test::fast_clock::time_point const& t) {
        return (t - test::fast_clock::now()) / 1000;
    }
};
