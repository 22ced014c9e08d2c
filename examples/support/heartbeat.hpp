// SPDX-License-Identifier: BSL-1.0
#pragma once
// A timer of 1 ms beside the work. Where something blocks the event loop, it is late. It is late, too, where the machine
// has no processor for us, which is not the program's doing: Linux tells for how long that was.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <utility>

namespace support {

class heartbeat {
    using clock = std::chrono::steady_clock;

public:
    static constexpr std::chrono::milliseconds interval{1}, too_late{100};

    // Beats on `executor`, which one thread runs, the one that makes this; until it is stopped.
    explicit heartbeat(boost::asio::any_io_executor executor)
        : timer_(std::move(executor)),
          schedule_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {
        wait(clock::now());
    }
    heartbeat(heartbeat const&) = delete;
    heartbeat& operator=(heartbeat const&) = delete;
    ~heartbeat() {
        if (schedule_ >= 0)
            ::close(schedule_);
    }

    void stop() {
        stopped_ = true;
        timer_.cancel();
    }

    std::uint64_t beats() const { return beats_; }
    // Beats that were more than 100 ms late, not counting the time in which this thread could have run, and the machine
    // had no processor for it.
    std::uint64_t late() const { return late_; }
    clock::duration worst() const { return worst_; } // how late the latest one was, all counted

    // "heartbeat: 812 beats, at most 3 ms late; 0 by more than 100 ms of the program's own"
    friend std::ostream& operator<<(std::ostream& out, heartbeat const& h) {
        using milliseconds = std::chrono::milliseconds;
        return out << "heartbeat: " << h.beats_ << " beats, at most "
                   << std::chrono::duration_cast<milliseconds>(h.worst_).count() << " ms late; " << h.late_
                   << " by more than " << too_late.count() << " ms of the program's own";
    }

private:
    void wait(clock::time_point now) {
        due_ = now + interval;
        waited_before_ = waited_for_a_processor();
        timer_.expires_at(due_);
        timer_.async_wait([this](boost::system::error_code error) {
            if (error || stopped_)
                return;
            auto const at = clock::now();
            ++beats_;
            worst_ = (std::max)(worst_, at - due_);
            late_ += at - due_ > too_late + (waited_for_a_processor() - waited_before_) ? 1 : 0;
            wait(at);
        });
    }

    // How long this thread has been ready to run without running, in all: the second number of Linux's schedstat. 0 where
    // there is none.
    std::chrono::nanoseconds waited_for_a_processor() const {
        std::array<char, 96> text{};
        auto const size = schedule_ < 0 ? 0 : ::pread(schedule_, text.data(), text.size(), 0);
        auto const* const end = text.data() + (std::max)(size, decltype(size){0});
        auto const* const second = std::find(static_cast<char const*>(text.data()), end, ' ');
        std::int64_t waited = 0;
        if (second != end)
            std::from_chars(second + 1, end, waited);
        return std::chrono::nanoseconds(waited);
    }

    boost::asio::steady_timer timer_;
    int schedule_; // a file
    clock::time_point due_;
    std::chrono::nanoseconds waited_before_{};
    clock::duration worst_{};
    std::uint64_t beats_ = 0;
    std::uint64_t late_ = 0;
    bool stopped_ = false;
};

} // namespace support
