// SPDX-License-Identifier: BSL-1.0
#pragma once
// Ctrl-C and SIGTERM, turned into cancellation of the job: the first lets the writes under way end, the next cancels
// them. Before and after the writes each one ends the job.

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>

namespace snapshot {

class interruption {
public:
    explicit interruption(boost::asio::io_context& io) : signals_(io, SIGINT, SIGTERM) { wait(); }

    boost::asio::cancellation_slot slot() { return cancel_.slot(); }
    void writing(bool now) { writing_ = now; }
    int signal() const { return signal_; } // the first one; 0: none
    void stop_listening() { signals_.cancel(); }

private:
    void wait() {
        signals_.async_wait([this](boost::system::error_code error, int number) {
            if (error)
                return;
            bool const drain = writing_ && signal_ == 0;
            if (signal_ == 0)
                signal_ = number;
            if (drain)
                std::fputs("\ninterrupted: nothing more is started, waiting for the writes under way (once "
                           "more cancels "
                           "them)\n",
                           stderr);
            wait();
            cancel_.emit(drain ? boost::asio::cancellation_type::total
                               : boost::asio::cancellation_type::terminal);
        });
    }

    boost::asio::signal_set signals_;
    boost::asio::cancellation_signal cancel_;
    bool writing_ = false;
    int signal_ = 0;
};

} // namespace snapshot
