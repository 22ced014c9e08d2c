// SPDX-License-Identifier: BSL-1.0
#include "pictures.hpp"

#include <fanout/observe/chrome_trace.hpp>
#include <fanout/observe/waterfall.hpp>

#include "values.hpp"

#include <filesystem>
#include <system_error>

namespace snapshot {

namespace {

namespace fs = std::filesystem;

std::string cannot_write(char const* option, std::string const& name, std::system_error const& why) {
    return std::string(option) + ": cannot write '" + printable(name) + "': " + why.code().message();
}

bool is_same_file(std::string const& a, std::string const& b) {
    std::error_code error; // that one of them is not there yet
    return fs::equivalent(a, b, error) ||
           fs::weakly_canonical(fs::absolute(a)) == fs::weakly_canonical(fs::absolute(b));
}

void open(std::optional<support::output_file>& file, char const* option,
          std::optional<std::string> const& name, arguments const& all) {
    if (!name)
        return;
    try {
        auto const* embedded = std::get_if<embedded_arguments>(&all.ends);
        if (embedded && is_same_file(*name, embedded->file))
            throw usage_error(std::string(option) + ": '" + printable(*name) + "' is the database");
        file.emplace(*name);
    } catch (std::system_error const& e) {
        throw usage_error(cannot_write(option, *name, e));
    }
    if (file->is_standard_output())
        throw usage_error(std::string(option) + ": standard output is for the report; name a file");
}

} // namespace

pictures::pictures(arguments const& all) : title_("video_snapshot, " + how_text(all)) {
    open(trace_, "--trace", all.trace, all);
    open(waterfall_, "--waterfall", all.waterfall, all);
    if (trace_ && waterfall_ && trace_->is_same_file_as(*waterfall_))
        throw usage_error("--waterfall: '" + printable(waterfall_->name()) + "' is what --trace writes");
}

std::vector<std::string> pictures::write(fanout::recording const& recorded,
                                         std::vector<video> const& pending) {
    std::vector<std::string> wrong;
    auto const label = [&pending](std::size_t index) { return pending.at(index).id; };
    auto const save = [&](std::optional<support::output_file>& file, char const* option,
                          auto const& content) {
        try {
            if (file)
                file->write(content);
        } catch (std::system_error const& e) {
            wrong.push_back(cannot_write(option, file->name(), e));
        }
    };
    save(trace_, "--trace", [&](std::ostream& out) {
        fanout::write_chrome_trace(out, recorded, {.label = label, .title = title_});
    });
    save(waterfall_, "--waterfall", [&](std::ostream& out) {
        fanout::write_waterfall(out, recorded, {.title = title_, .label = label});
    });
    return wrong;
}

} // namespace snapshot
