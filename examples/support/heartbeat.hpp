// SPDX-License-Identifier: BSL-1.0
#pragma once
// A timer of 1 ms beside the work. Where something blocks the event loop, it is late.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <utility>

namespace support {

class heartbeat {
    using clock = std::chrono::steady_clock;

public:
    static constexpr std::chrono::milliseconds interval{1}, too_late{100};

    // Beats on `executor`, which one thread runs, until it is stopped.
    explicit heartbeat(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {
        due_ = clock::now() + interval;
        wait();
    }
    heartbeat(heartbeat const&) = delete;
    heartbeat& operator=(heartbeat const&) = delete;

    void stop() {
        stopped_ = true;
        timer_.cancel();
    }

    std::uint64_t beats() const { return beats_; }
    std::uint64_t late() const { return late_; }     // beats that were more than 100 ms late
    clock::duration worst() const { return worst_; } // how late the latest one was

    // "heartbeat: 812 beats, at most 3 ms late; 0 by more than 100 ms"
    friend std::ostream& operator<<(std::ostream& out, heartbeat const& h) {
        using milliseconds = std::chrono::milliseconds;
        return out << "heartbeat: " << h.beats_ << " beats, at most "
                   << std::chrono::duration_cast<milliseconds>(h.worst_).count() << " ms late; " << h.late_
                   << " by more than " << too_late.count() << " ms";
    }

private:
    void wait() {
        timer_.expires_at(due_);
        timer_.async_wait([this](boost::system::error_code error) {
            if (error || stopped_)
                return;
            auto const now = clock::now();
            ++beats_;
            worst_ = (std::max)(worst_, now - due_);
            late_ += now - due_ > too_late ? 1 : 0;
            due_ = now + interval;
            wait();
        });
    }

    boost::asio::steady_timer timer_;
    clock::time_point due_;
    clock::duration worst_{};
    std::uint64_t beats_ = 0;
    std::uint64_t late_ = 0;
    bool stopped_ = false;
};

} // namespace support
