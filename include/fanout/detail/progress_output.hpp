// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where progress lines go: a terminal, on which one line is written over and over, or a stream of lines.

#include <fanout/detail/progress_text.hpp>

#include <cstddef>
#include <cstdlib>
#include <ios>
#include <iostream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#if __has_include(<unistd.h>) && __has_include(<sys/ioctl.h>)
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace fanout::detail {

/// The file descriptor of a standard stream where that is a terminal which can erase a line; else -1. Elsewhere than on
/// POSIX none is.
inline int terminal_of(std::ostream const& out) noexcept {
#if __has_include(<unistd.h>) && __has_include(<sys/ioctl.h>)
    bool const is_standard = &out == &std::cout || &out == &std::cerr || &out == &std::clog;
    int const descriptor = &out == &std::cout ? STDOUT_FILENO : STDERR_FILENO;
    auto const* const kind = std::getenv("TERM");
    bool const is_dumb = kind != nullptr && std::string_view(kind) == "dumb";
    return is_standard && !is_dumb && ::isatty(descriptor) == 1 ? descriptor : -1;
#else
    (void)out;
    return -1;
#endif
}

/// How many columns a line may have there. One is left free: some terminals begin a new line when the last is filled.
inline std::size_t room_on(int terminal) noexcept {
#ifdef TIOCGWINSZ
    winsize size{};
    if (terminal >= 0 && ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) {
        return static_cast<std::size_t>(size.ws_col) - 1;
    }
#else
    (void)terminal;
#endif
    return 79;
}

/// Writes progress lines. What goes wrong with the stream disturbs nobody.
class progress_output {
public:
    /// @param terminal whether `out` is one; found out where it is not said
    /// @param keep the last line stays on a terminal
    progress_output(std::ostream& out, std::optional<bool> terminal, bool keep, std::string_view what)
        : out_(out),
          what_(printable(what)),
          descriptor_(terminal_of(out)),
          terminal_(terminal.value_or(descriptor_ >= 0)),
          keep_(keep) {}

    bool redraws() const noexcept { return terminal_; }

    void line(progress_numbers const& n) { write_line(n, terminal_ ? "" : "\n"); }

    void last_line(progress_numbers const& n) {
        if (terminal_ && !keep_) {
            erase();
        } else {
            write_line(n, "\n");
            shown_ = false;
        }
    }

    /// Leaves a terminal as it was.
    void erase() {
        if (std::exchange(shown_, false)) {
            write(start_of_line);
        }
    }

private:
    static constexpr std::string_view start_of_line = "\r\033[K"; // and nothing is on it

    void write_line(progress_numbers const& n, std::string_view end) {
        std::string line;
        if (terminal_) {
            line = start_of_line;
            line += progress_text(n, what_, room_on(descriptor_));
        } else {
            line = progress_text(n, what_);
        }
        line += end;
        shown_ = terminal_;
        write(line);
    }

    /// In one piece. The stream is left as good as it was: whoever writes to it next may be luckier.
    void write(std::string_view text) {
        auto const was_good = out_.good();
        try {
            out_.write(text.data(), static_cast<std::streamsize>(text.size())).flush();
        } catch (...) { // it was told to throw
        }
        if (was_good && !out_.good()) {
            out_.clear();
        }
    }

    std::ostream& out_;
    std::string const what_;
    int const descriptor_;
    bool const terminal_;
    bool const keep_;
    bool shown_ = false; ///< a line of ours is on the terminal
};

} // namespace fanout::detail
