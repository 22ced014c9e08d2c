// SPDX-License-Identifier: BSL-1.0
#pragma once
// Where a Redis is, and whom it lets in: redis://user:password@host:port/database.

#include "url.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace adapters {

struct redis_url {
    std::string user; // empty: the server's default user
    std::optional<std::string> password;
    std::string host;
    std::uint16_t port = 6379;
    int database = 0;
};

// redis://[[user]:password@]host[:port][/database]
inline redis_url parse_redis_url(std::string_view text) {
    auto parsed = parse_url(text);
    if (parsed.scheme == "rediss")
        throw url_error("rediss:// is Redis over TLS, which is not supported here");
    if (parsed.scheme != "redis")
        throw url_error("it does not start with redis://");
    if (!parsed.user.empty() && !parsed.password)
        throw url_error("there is a user name but no password");
    if (!parsed.query.empty())
        throw url_error("no parameters are allowed after '?'");
    redis_url out;
    out.user = std::move(parsed.user);
    out.password = std::move(parsed.password);
    out.host = std::move(parsed.host);
    out.port = parsed.port.value_or(6379);
    if (parsed.path.size() > 1) {
        auto const* const end = parsed.path.data() + parsed.path.size();
        auto const [rest, error] = std::from_chars(parsed.path.data() + 1, end, out.database);
        if (error != std::errc() || rest != end || out.database < 0)
            throw url_error("the database after the host is not a number from 0");
    }
    return out;
}

} // namespace adapters
