// SPDX-License-Identifier: BSL-1.0
#pragma once

// Writes JSON to a stream as it comes: nothing is kept, and nothing depends on a locale.

#include <fanout/detail/escaped.hpp>
#include <fanout/detail/number_text.hpp>

#include <chrono>
#include <concepts>
#include <ios>
#include <ostream>
#include <string_view>

namespace fanout::detail {

/// Writes JSON member by member. What is no member, the whole or an element of an array, has the key ""; a line
/// ends behind an element.
class json_writer {
public:
    explicit json_writer(std::ostream& out) : out_(&out) {}

    json_writer& open(std::string_view key, char bracket = '{') {
        name(key);
        out_->put(bracket);
        first_ = true;
        return *this;
    }
    json_writer& close(char bracket = '}') {
        out_->put(bracket);
        first_ = false;
        return *this;
    }
    json_writer& text(std::string_view key, std::string_view value) {
        name(key);
        write_json_string(*out_, value);
        return *this;
    }
    json_writer& number(std::string_view key, std::integral auto value) { return raw(key, integer(value)); }
    json_writer& time(std::string_view key, std::chrono::nanoseconds t) { return raw(key, microseconds(t)); }
    json_writer& raw(std::string_view key, std::string_view value) {
        name(key);
        out_->write(value.data(), static_cast<std::streamsize>(value.size()));
        return *this;
    }
    /// Whether writing still has a point.
    bool good() const { return !out_->fail(); }

private:
    void name(std::string_view key) {
        if (!first_) {
            out_->write(",\n", key.empty() ? 2 : 1);
        }
        first_ = false;
        if (!key.empty()) {
            write_json_string(*out_, key);
            out_->put(':');
        }
    }

    std::ostream* out_;
    bool first_ = true;
};

} // namespace fanout::detail
