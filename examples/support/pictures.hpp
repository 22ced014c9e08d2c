// SPDX-License-Identifier: BSL-1.0
#pragma once
// The recordings of a notebook as files: a trace, and a waterfall with a panel for each, on one time axis.

#include "notebook.hpp"
#include "output_file.hpp"

#include <optional>
#include <string>
#include <vector>

namespace support {

class pictures {
public:
    struct options {
        std::optional<std::string> trace, waterfall; // names of files
        std::vector<std::string> only;               // parts to show; none: all
    };

    // Throws bad_argument where a file cannot be written.
    pictures(std::string title, options given);

    // One of them goes where standard output goes.
    bool are_on_standard_output() const;

    // Tells what went wrong. Parts that did not begin are left out, and where none began, the files are not touched.
    std::vector<std::string> write(notebook const& notes);

private:
    std::string title_;
    std::vector<std::string> only_;
    std::optional<output_file> trace_, waterfall_;
};

} // namespace support
