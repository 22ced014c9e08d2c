// SPDX-License-Identifier: BSL-1.0
#pragma once
// A file that is written at a program's end: whether it can be is known at the beginning, and it is whole or not there.

#include <functional>
#include <ostream>
#include <string>

namespace support {

class output_file {
public:
    // Throws std::system_error where nothing can be written by that name. A device or a pipe is opened now; for a file
    // a temporary one beside it is made, and removed.
    explicit output_file(std::string name);
    output_file(output_file const&) = delete;
    output_file& operator=(output_file const&) = delete;
    ~output_file();

    std::string const& name() const { return name_; }
    // What is written goes where standard output goes.
    bool is_standard_output() const { return is_standard_output_; }

    // Each would replace what the other has written.
    bool is_same_file_as(output_file const& other) const;

    // Throws std::system_error, and then a file is as it was before.
    void write(std::function<void(std::ostream&)> const& content);

private:
    std::string name_;
    std::string path_;  // with links resolved
    int device_ = -1;   // open, where it is no file to be replaced
    unsigned mode_ = 0; // of the file that is replaced
    bool is_standard_output_ = false;
};

} // namespace support
