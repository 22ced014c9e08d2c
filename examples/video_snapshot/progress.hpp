// SPDX-License-Identifier: BSL-1.0
#pragma once
// A line on standard error that tells how far a long run is, rewritten in place; only where that is a terminal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

namespace snapshot {

class progress {
public:
    // `line` is asked for the text, ten times a second, until the object is gone.
    progress(boost::asio::any_io_executor executor, bool wanted, std::function<std::string()> line)
        : timer_(std::move(executor)), line_(std::move(line)) {
        if (wanted && isatty(STDERR_FILENO) == 1)
            tick();
    }
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;
    ~progress() {
        timer_.cancel();
        if (printed_)
            std::fputs("\r\033[K", stderr); // the report takes its place
    }

private:
    void tick() {
        timer_.expires_after(std::chrono::milliseconds(100));
        timer_.async_wait([this](boost::system::error_code error) {
            if (error)
                return;
            std::fprintf(stderr, "\r\033[K%s", line_().c_str());
            printed_ = true;
            tick();
        });
    }

    boost::asio::steady_timer timer_;
    std::function<std::string()> line_;
    bool printed_ = false;
};

} // namespace snapshot
