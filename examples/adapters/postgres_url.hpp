// SPDX-License-Identifier: BSL-1.0
#pragma once
// Connection URLs of PostgreSQL.

#include "url.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace adapters {

struct postgres_url {
    std::string user;
    std::optional<std::string> password; // without one libpq looks into PGPASSWORD and ~/.pgpass
    std::string host;
    std::uint16_t port = 5432;
    std::string database;
    std::string sslmode = "verify-full";
    std::string sslrootcert; // empty: libpq's own choice, ~/.postgresql/root.crt
};

// postgresql://user[:password]@host[:port]/database[?sslmode=verify-full|verify-ca|require|disable&sslrootcert=FILE]
// Without sslmode=…: verify-full, but for a server on this machine (loopback), where it is disable. libpq's other
// modes, allow and prefer, go on without TLS where an attacker wants them to, and are refused.
inline postgres_url parse_postgres_url(std::string_view text) {
    auto parsed = parse_url(text);
    if (parsed.scheme != "postgresql" && parsed.scheme != "postgres")
        throw url_error("it does not start with postgresql://");
    if (parsed.user.empty())
        throw url_error("there is no user name");
    if (parsed.path.size() < 2)
        throw url_error("there is no database name after the host");
    postgres_url out;
    out.user = std::move(parsed.user);
    out.password = std::move(parsed.password);
    out.host = std::move(parsed.host);
    out.port = parsed.port.value_or(5432);
    out.database = parsed.path.substr(1);
    if (is_loopback(out.host))
        out.sslmode = "disable";
    for (auto const& [name, value] : parsed.query) {
        if (name == "sslrootcert")
            out.sslrootcert = value;
        else if (name != "sslmode")
            throw url_error("the only parameters allowed after '?' are sslmode= and sslrootcert=");
        else if (value != "verify-full" && value != "verify-ca" && value != "require" && value != "disable")
            throw url_error("sslmode= takes verify-full, verify-ca, require or disable");
        else
            out.sslmode = value;
    }
    return out;
}

} // namespace adapters
