// SPDX-License-Identifier: BSL-1.0
#pragma once
// Says on a terminal what the program does where nothing can be counted. Of the writes fanout::progress tells.

#include <unistd.h>

#include <cstdio>

namespace snapshot {

// `text` stands on standard error until the object is gone.
class status_line {
public:
    status_line(bool wanted, char const* text) : shown_(wanted && isatty(STDERR_FILENO) == 1) {
        if (shown_)
            std::fputs(text, stderr);
    }
    status_line(status_line const&) = delete;
    status_line& operator=(status_line const&) = delete;
    ~status_line() {
        if (shown_)
            std::fputs("\r\033[K", stderr);
    }

private:
    bool shown_;
};

} // namespace snapshot
