// SPDX-License-Identifier: BSL-1.0
#include "pictures.hpp"

#include <fanout/observe/chrome_trace.hpp>
#include <fanout/observe/waterfall.hpp>

#include "program.hpp"

#include <algorithm>
#include <ostream>
#include <system_error>
#include <utility>

namespace support {

namespace {

std::string cannot_write(char const* option, std::string const& name, std::system_error const& why) {
    return std::string(option) + ": cannot write '" + name + "': " + why.code().message();
}

void open(std::optional<output_file>& file, char const* option, std::optional<std::string> const& name) {
    if (!name)
        return;
    try {
        file.emplace(*name);
    } catch (std::system_error const& e) {
        throw bad_argument(cannot_write(option, *name, e));
    }
}

template <class Content>
void write(std::optional<output_file>& file, char const* option, Content const& content,
           std::vector<std::string>& wrong) {
    if (!file)
        return;
    try {
        file->write(content);
    } catch (std::system_error const& e) {
        wrong.push_back(cannot_write(option, file->name(), e));
    }
}

std::string names_of(std::vector<fanout::named_recording> const& all) {
    std::string names;
    for (auto const& one : all)
        names += (names.empty() ? "'" : ", '") + std::string(one.name) + '\'';
    return names;
}

} // namespace

pictures::pictures(std::string title, options given)
    : title_(std::move(title)), only_(std::move(given.only)) {
    open(trace_, "--trace", given.trace);
    open(waterfall_, "--waterfall", given.waterfall);
    if (trace_ && waterfall_ && trace_->is_same_file_as(*waterfall_))
        throw bad_argument("--waterfall: '" + waterfall_->name() + "' is what --trace writes");
}

bool pictures::are_on_standard_output() const {
    return (trace_ && trace_->is_standard_output()) || (waterfall_ && waterfall_->is_standard_output());
}

std::vector<std::string> pictures::write(notebook const& notes) {
    std::vector<fanout::named_recording> all;
    for (auto const& part : notes.parts())
        if (!part.recorded.marks().empty())
            all.push_back({part.name, part.recorded, part.label});
    std::vector<std::string> wrong;
    std::vector<fanout::named_recording> shown;
    for (auto const& one : all)
        if (only_.empty() || std::find(only_.begin(), only_.end(), one.name) != only_.end())
            shown.push_back(one);
    for (auto const& name : only_)
        if (std::none_of(all.begin(), all.end(), [&](auto const& one) { return one.name == name; }))
            wrong.push_back("--only: nothing that ran is named '" + name + "'" +
                            (all.empty() ? std::string() : "; there is " + names_of(all)));
    if (shown.empty())
        return wrong;
    auto const trace = [&](std::ostream& out) {
        fanout::write_chrome_trace(out, shown, {.label = {}, .title = title_});
    };
    auto const waterfall = [&](std::ostream& out) { fanout::write_waterfall(out, shown, {.title = title_}); };
    support::write(trace_, "--trace", trace, wrong);
    support::write(waterfall_, "--waterfall", waterfall, wrong);
    return wrong;
}

} // namespace support
