// SPDX-License-Identifier: BSL-1.0
#pragma once
// What --trace and --waterfall ask for: files that show what the writes did when.

#include <fanout/observe/recording.hpp>

#include "../support/output_file.hpp"
#include "arguments.hpp"
#include "video.hpp"

#include <optional>
#include <string>
#include <vector>

namespace snapshot {

class pictures {
public:
    // Throws usage_error where a file cannot be written; nothing is left of the try.
    explicit pictures(arguments const& all);

    bool wanted() const { return trace_ || waterfall_; }

    // Tells what went wrong, a line for each file. `pending` are the videos by the index of their write.
    std::vector<std::string> write(fanout::recording const& recorded, std::vector<video> const& pending);

private:
    std::string title_;
    std::optional<support::output_file> trace_, waterfall_;
};

} // namespace snapshot
