// SPDX-License-Identifier: BSL-1.0
#include "output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <streambuf>
#include <system_error>
#include <utility>

namespace support {

namespace {

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category()); }

int checked(int result) {
    if (result < 0)
        fail(errno);
    return result;
}

// Writes to an open file, and keeps the first error.
class file_buffer : public std::streambuf {
public:
    explicit file_buffer(int file) : file_(file) { setp(buffer_.data(), buffer_.data() + buffer_.size()); }

    int error() const { return error_; }

protected:
    int_type overflow(int_type c) override {
        if (sync() != 0)
            return traits_type::eof();
        if (!traits_type::eq_int_type(c, traits_type::eof()))
            sputc(traits_type::to_char_type(c));
        return traits_type::not_eof(c);
    }

    int sync() override {
        for (auto const* at = pbase(); error_ == 0 && at != pptr();) {
            auto const written = ::write(file_, at, static_cast<std::size_t>(pptr() - at));
            if (written >= 0)
                at += written;
            else if (errno != EINTR)
                error_ = errno;
        }
        setp(buffer_.data(), buffer_.data() + buffer_.size());
        return error_ == 0 ? 0 : -1;
    }

private:
    int file_;
    int error_ = 0;
    std::array<char, 65536> buffer_;
};

// What went wrong, or 0.
int write_all(int file, std::function<void(std::ostream&)> const& content) {
    file_buffer buffer(file);
    std::ostream out(&buffer);
    content(out);
    out.flush();
    return buffer.error() != 0 || out ? buffer.error() : EIO;
}

// Where two names lead to one open file, its position must be one, too: so they share it.
int open_like(int file, struct stat const& wanted) {
    struct stat there{};
    auto const same =
        ::fstat(file, &there) == 0 && there.st_dev == wanted.st_dev && there.st_ino == wanted.st_ino;
    return same ? checked(::fcntl(file, F_DUPFD_CLOEXEC, 3)) : -1;
}

// Owns the temporary file, and takes it away unless it was renamed.
class temporary {
public:
    temporary(std::string const& beside, unsigned mode)
        : name_(beside + '.' + std::to_string(::getpid()) + ".part"),
          file_(checked(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666))) {
        if (mode != 0)
            ::fchmod(file_, mode);
    }
    temporary(temporary const&) = delete;
    temporary& operator=(temporary const&) = delete;
    ~temporary() {
        if (file_ >= 0)
            ::close(file_);
        if (!name_.empty())
            ::unlink(name_.c_str());
    }

    int file() const { return file_; }
    void become(std::string const& path) {
        checked(::close(std::exchange(file_, -1)));
        checked(std::rename(name_.c_str(), path.c_str()));
        name_.clear();
    }

private:
    std::string name_;
    int file_;
};

} // namespace

output_file::output_file(std::string name) : name_(std::move(name)) {
    struct stat there{};
    auto const is_there = ::stat(name_.c_str(), &there) == 0;
    if (!is_there && (errno != ENOENT || name_.empty()))
        fail(errno);
    if (is_there) {
        device_ = open_like(STDOUT_FILENO, there);
        is_standard_output_ = device_ >= 0;
        if (device_ < 0)
            device_ = open_like(STDERR_FILENO, there);
        // What "/dev/fd/3" leads to may be a file, and is meant to be written to, not to be replaced.
        auto const is_open = name_.starts_with("/dev/fd/") || name_.starts_with("/proc/");
        if (device_ < 0 && (is_open || !S_ISREG(there.st_mode)))
            device_ = checked(::open(name_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY));
        if (device_ >= 0)
            return;
        checked(::access(name_.c_str(), W_OK));
        mode_ = there.st_mode & 07777U;
    }
    path_ = std::filesystem::weakly_canonical(std::filesystem::absolute(name_)).string();
    temporary const can_be_made(path_, mode_);
}

output_file::~output_file() {
    if (device_ >= 0)
        ::close(device_);
}

bool output_file::is_same_file_as(output_file const& other) const {
    return device_ < 0 && other.device_ < 0 && path_ == other.path_;
}

void output_file::write(std::function<void(std::ostream&)> const& content) {
    if (device_ >= 0) {
        if (auto const error = write_all(device_, content); error != 0)
            fail(error);
        return;
    }
    temporary whole(path_, mode_);
    if (auto const error = write_all(whole.file(), content); error != 0)
        fail(error);
    whole.become(path_);
}

} // namespace support
