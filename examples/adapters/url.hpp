// SPDX-License-Identifier: BSL-1.0
#pragma once
// Connection URLs of the examples: mysql://user:password@host:port/database?ssl=… and http(s)://host:port.
//
// Boost.URL is not used: it stopped being header-only before Boost 1.83 (its src.hpp is an #error), and
// the examples link no Boost library. What is parsed here is the part of RFC 3986 that such URLs need.
// A message never repeats any of the text before the host, nor a port that did not parse: in a malformed
// URL either may be a piece of the password.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapters {

class url_error : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

struct url {
    std::string scheme;
    std::string user;
    std::optional<std::string> password;
    std::string host; // without the brackets of an IPv6 address
    std::optional<std::uint16_t> port;
    std::string path; // decoded, with its leading '/', or empty
    std::vector<std::pair<std::string, std::string>> query;
};

namespace detail {

inline std::string percent_decode(std::string_view text, char const* part) {
    auto const nibble = [](char c) {
        if (c >= '0' && c <= '9')
            return c - '0';
        if (c >= 'a' && c <= 'f')
            return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
            return c - 'A' + 10;
        return -1;
    };
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        if (byte <= 0x20 || byte == 0x7f)
            throw url_error(std::string("there is a blank or a control character in the ") + part);
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        int const high = i + 2 < text.size() ? nibble(text[i + 1]) : -1;
        int const low = i + 2 < text.size() ? nibble(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            throw url_error(std::string("a '%' in the ") + part +
                            " is not followed by two hexadecimal digits");
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (out.find('\0') != std::string::npos)
        throw url_error(std::string("there is a zero byte in the ") + part);
    return out;
}

inline bool is_host(std::string_view host, bool ipv6) {
    return !host.empty() && std::all_of(host.begin(), host.end(), [ipv6](char c) {
        bool const digit = c >= '0' && c <= '9';
        bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (ipv6)
            return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
        return digit || letter || c == '.' || c == '-' || c == '_';
    });
}

inline std::uint16_t parse_port(std::string_view text) {
    unsigned port = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535)
        throw url_error(
            "the port is not a number from 1 to 65535 (or the password has a character that must be "
            "percent-encoded, as %2F for '/')");
    return static_cast<std::uint16_t>(port);
}

inline void parse_authority(std::string_view authority, url& out) {
    if (auto const at = authority.rfind('@'); at != std::string_view::npos) {
        auto const user = authority.substr(0, at);
        authority.remove_prefix(at + 1);
        auto const colon = user.find(':');
        out.user = percent_decode(user.substr(0, colon), "user name");
        if (colon != std::string_view::npos)
            out.password = percent_decode(user.substr(colon + 1), "password");
    }
    bool const ipv6 = authority.starts_with('[');
    std::string_view host;
    std::string_view rest;
    if (ipv6) {
        auto const close = authority.find(']');
        if (close == std::string_view::npos)
            throw url_error("the '[' of an IPv6 address is not closed by ']'");
        host = authority.substr(1, close - 1);
        rest = authority.substr(close + 1);
    } else {
        auto const colon = authority.find(':');
        host = authority.substr(0, colon);
        rest = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
    }
    if (host.empty())
        throw url_error("there is no host");
    if (!is_host(host, ipv6))
        throw url_error("the host has a character that no host name has");
    out.host = host;
    if (rest.empty())
        return;
    if (!rest.starts_with(':'))
        throw url_error("after the host only ':' and a port may follow");
    out.port = parse_port(rest.substr(1));
}

inline void parse_query(std::string_view query, url& out) {
    while (!query.empty()) {
        auto const pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        auto const equals = pair.find('=');
        if (equals == 0 || equals == std::string_view::npos)
            throw url_error("a parameter after '?' is not of the form name=value");
        out.query.emplace_back(percent_decode(pair.substr(0, equals), "parameter's name"),
                               percent_decode(pair.substr(equals + 1), "parameter's value"));
    }
}

} // namespace detail

// scheme://[user[:password]@]host[:port][/path][?name=value&…]; throws url_error.
inline url parse_url(std::string_view text) {
    url out;
    auto const scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos || scheme_end == 0)
        throw url_error("it does not start with a scheme and '://'");
    out.scheme = text.substr(0, scheme_end);
    text.remove_prefix(scheme_end + 3);
    if (text.find('#') != std::string_view::npos)
        throw url_error("a '#' is not allowed (in a password write %23)");
    auto const path_start = text.find_first_of("/?");
    auto const tail = path_start == std::string_view::npos ? std::string_view{} : text.substr(path_start);
    // An '@' this late means that the user or the password held a bare '/' or '?'.
    if (tail.find('@') != std::string_view::npos)
        throw url_error(
            "there is an '@' after the first '/' or '?' (in a password write %2F for '/', %3F for '?')");
    detail::parse_authority(text.substr(0, path_start), out);
    auto const question = tail.find('?');
    out.path = detail::percent_decode(tail.substr(0, question), "path");
    if (question != std::string_view::npos)
        detail::parse_query(tail.substr(question + 1), out);
    return out;
}

inline bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

enum class mysql_tls { disable, require, verify };

struct mysql_url {
    std::string user;
    std::optional<std::string> password;
    std::string host;
    std::uint16_t port = 3306;
    std::string database;
    mysql_tls tls = mysql_tls::verify;
};

// mysql://user[:password]@host[:port]/database[?ssl=verify|require|disable]
// Without ssl=…: verify, but for a server on this machine (loopback), where it is disable.
inline mysql_url parse_mysql_url(std::string_view text) {
    auto parsed = parse_url(text);
    if (parsed.scheme != "mysql")
        throw url_error("it does not start with mysql://");
    if (parsed.user.empty())
        throw url_error("there is no user name");
    if (parsed.path.size() < 2)
        throw url_error("there is no database name after the host");
    if (parsed.path.find('/', 1) != std::string::npos)
        throw url_error("a database name has no '/'");
    mysql_url out;
    out.user = std::move(parsed.user);
    out.password = std::move(parsed.password);
    out.host = std::move(parsed.host);
    out.port = parsed.port.value_or(3306);
    out.database = parsed.path.substr(1);
    out.tls = is_loopback(out.host) ? mysql_tls::disable : mysql_tls::verify;
    for (auto const& [name, value] : parsed.query) {
        if (name != "ssl")
            throw url_error("the only parameter allowed after '?' is ssl=verify, ssl=require or ssl=disable");
        if (value == "verify")
            out.tls = mysql_tls::verify;
        else if (value == "require")
            out.tls = mysql_tls::require;
        else if (value == "disable")
            out.tls = mysql_tls::disable;
        else
            throw url_error("ssl= takes verify, require or disable");
    }
    return out;
}

struct http_url {
    bool tls = false;
    std::string host;
    std::uint16_t port = 80;

    // The value of the Host header: the port only where it is not the scheme's own.
    std::string authority() const {
        auto const name = host.find(':') == std::string::npos ? host : '[' + host + ']';
        return port == (tls ? 443 : 80) ? name : name + ':' + std::to_string(port);
    }
};

// http://host[:port] or https://host[:port]: an endpoint, so neither user nor path nor parameters.
inline http_url parse_http_url(std::string_view text) {
    auto parsed = parse_url(text);
    if (parsed.scheme != "http" && parsed.scheme != "https")
        throw url_error("it does not start with http:// or https://");
    if (!parsed.user.empty() || parsed.password)
        throw url_error("it must not hold a user or a password");
    if (!parsed.query.empty() || (!parsed.path.empty() && parsed.path != "/"))
        throw url_error("nothing may follow the host and port");
    http_url out;
    out.tls = parsed.scheme == "https";
    out.host = std::move(parsed.host);
    out.port = parsed.port.value_or(out.tls ? std::uint16_t{443} : std::uint16_t{80});
    return out;
}

} // namespace adapters
