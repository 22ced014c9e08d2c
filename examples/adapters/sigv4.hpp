// SPDX-License-Identifier: BSL-1.0
#pragma once
// AWS Signature Version 4, the headers that sign one HTTP request: pure functions over OpenSSL's SHA-256.
// Checked against what botocore computes, see tests/adapters/make_sigv4_vectors.py.

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adapters {

struct aws_credentials {
    std::string access_key_id;
    std::string secret_access_key;
    std::string session_token; // empty: none
    std::string region;
};

struct sigv4_request {
    std::string method = "POST";
    std::string path = "/";                                   // as sent, already percent-encoded
    std::vector<std::pair<std::string, std::string>> query;   // names and values not encoded
    std::vector<std::pair<std::string, std::string>> headers; // to sign, with Host, without X-Amz-Date
    std::string_view body;
};

struct sigv4_signature {
    std::string amz_date;      // X-Amz-Date
    std::string authorization; // Authorization
};

namespace detail {

using sha256_digest = std::array<unsigned char, 32>;

inline sha256_digest sha256(std::string_view data) {
    sha256_digest out{};
    unsigned size = 0;
    if (EVP_Digest(data.data(), data.size(), out.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL cannot compute SHA-256");
    return out;
}

inline sha256_digest hmac_sha256(std::string_view key, std::string_view data) {
    sha256_digest out{};
    unsigned size = 0;
    auto const* bytes = reinterpret_cast<unsigned char const*>(data.data());
    if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, data.size(), out.data(), &size))
        throw std::runtime_error("OpenSSL cannot compute HMAC-SHA-256");
    return out;
}

inline std::string_view as_text(sha256_digest const& digest) {
    return {reinterpret_cast<char const*>(digest.data()), digest.size()};
}

inline std::string hex(sha256_digest const& digest) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (unsigned const byte : digest) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

inline std::string uri_encode(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (char const c : text) {
        bool const plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           c == '-' || c == '_' || c == '.' || c == '~';
        auto const byte = static_cast<unsigned char>(c);
        if (plain)
            out += c;
        else
            ((out += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
    return out;
}

inline std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Blanks at both ends go, and each run of blanks inside becomes one.
inline std::string trim_header(std::string_view value) {
    std::string out;
    for (char const c : value) {
        bool const blank = c == ' ' || c == '\t';
        if (!blank)
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (out.ends_with(' '))
        out.pop_back();
    return out;
}

inline std::string canonical_query(std::vector<std::pair<std::string, std::string>> const& query) {
    std::vector<std::pair<std::string, std::string>> encoded;
    for (auto const& [name, value] : query)
        encoded.emplace_back(uri_encode(name), uri_encode(value));
    std::sort(encoded.begin(), encoded.end());
    std::string out;
    for (auto const& [name, value] : encoded)
        out += (out.empty() ? "" : "&") + name + '=' + value;
    return out;
}

inline std::string format_amz_date(std::chrono::system_clock::time_point now) {
    auto const seconds = std::chrono::system_clock::to_time_t(now);
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[24];
    auto const size = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
    return {text, size};
}

} // namespace detail

// The signature of `request` at the time `now` for `service` ("dynamodb") in the credentials' region. The session
// token, if any, must be among request.headers as X-Amz-Security-Token.
inline sigv4_signature sign_v4(sigv4_request const& request, aws_credentials const& credentials,
                               std::string_view service, std::chrono::system_clock::time_point now) {
    sigv4_signature out;
    out.amz_date = detail::format_amz_date(now);
    auto const day = out.amz_date.substr(0, 8);

    std::vector<std::pair<std::string, std::string>> headers;
    for (auto const& [name, value] : request.headers)
        headers.emplace_back(detail::lower(name), detail::trim_header(value));
    headers.emplace_back("x-amz-date", out.amz_date);
    std::sort(headers.begin(), headers.end());

    std::string canonical_headers;
    std::string signed_headers;
    for (auto const& [name, value] : headers) {
        canonical_headers += name + ':' + value + '\n';
        signed_headers += (signed_headers.empty() ? "" : ";") + name;
    }
    auto const canonical_request = request.method + '\n' + request.path + '\n' +
                                   detail::canonical_query(request.query) + '\n' + canonical_headers + '\n' +
                                   signed_headers + '\n' + detail::hex(detail::sha256(request.body));
    auto const scope = day + '/' + credentials.region + '/' + std::string(service) + "/aws4_request";
    auto const to_sign = "AWS4-HMAC-SHA256\n" + out.amz_date + '\n' + scope + '\n' +
                         detail::hex(detail::sha256(canonical_request));

    auto key = detail::hmac_sha256("AWS4" + credentials.secret_access_key, day);
    for (std::string_view const part :
         {std::string_view(credentials.region), service, std::string_view("aws4_request")})
        key = detail::hmac_sha256(detail::as_text(key), part);
    out.authorization = "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + '/' + scope +
                        ", SignedHeaders=" + signed_headers +
                        ", Signature=" + detail::hex(detail::hmac_sha256(detail::as_text(key), to_sign));
    return out;
}

} // namespace adapters
