// SPDX-License-Identifier: BSL-1.0
#include "url.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace adapters;

std::string complaint(auto parse, std::string_view text) {
    try {
        parse(text);
    } catch (url_error const& e) {
        return e.what();
    }
    return "";
}

} // namespace

TEST_CASE("a MySQL URL gives its parts, percent-decoded") {
    auto const u =
        parse_mysql_url("mysql://us%40er:p%3Ass%2F%ED%95%9C@db.example.com:3307/my%20db?ssl=require");
    CHECK(u.user == "us@er");
    CHECK(u.password == "p:ss/한");
    CHECK(u.host == "db.example.com");
    CHECK(u.port == 3307);
    CHECK(u.database == "my db");
    CHECK(u.tls == mysql_tls::require);
}

TEST_CASE("what a MySQL URL leaves out has defaults: TLS is verified but on this machine") {
    auto const far = parse_mysql_url("mysql://app@db.example.com/app");
    CHECK(far.port == 3306);
    CHECK_FALSE(far.password.has_value());
    CHECK(far.tls == mysql_tls::verify);
    CHECK(parse_mysql_url("mysql://app@127.0.0.1/app").tls == mysql_tls::disable);
    CHECK(parse_mysql_url("mysql://app@[::1]/app").tls == mysql_tls::disable);
    CHECK(parse_mysql_url("mysql://app@localhost/app?ssl=verify").tls == mysql_tls::verify);
    CHECK(parse_mysql_url("mysql://app:@localhost/app").password == "");
}

TEST_CASE("an '@' in the password need not be encoded, since the last one counts") {
    auto const u = parse_mysql_url("mysql://app:p@ss@host/app");
    CHECK(u.password == "p@ss");
    CHECK(u.host == "host");
}

TEST_CASE("a malformed MySQL URL is refused") {
    for (auto const* text : {"",
                             "mysql",
                             "mysql:",
                             "mysql://",
                             "://h/d",
                             "http://u@h/d",
                             "mysql://h/d",
                             "mysql://u@/d",
                             "mysql://u@h",
                             "mysql://u@h/",
                             "mysql://u@h/a/b",
                             "mysql://u@h:/d",
                             "mysql://u@h:0/d",
                             "mysql://u@h:65536/d",
                             "mysql://u@h:12x/d",
                             "mysql://u@h:-1/d",
                             "mysql://u@h x/d",
                             "mysql://u@h/d?ssl",
                             "mysql://u@h/d?ssl=maybe",
                             "mysql://u@h/d?tls=verify",
                             "mysql://u@h/d?=x",
                             "mysql://u%4@h/d",
                             "mysql://u%zz@h/d",
                             "mysql://u%00@h/d",
                             "mysql://u@[::1/d",
                             "mysql://u@[::1]x/d",
                             "mysql://u@h/d#x",
                             "mysql://u@h\n/d"}) {
        CAPTURE(text);
        CHECK(complaint(parse_mysql_url, text) != "");
    }
}

TEST_CASE("a complaint about a URL never holds a piece of the password") {
    for (auto const* text : {"mysql://app:se/cret@h/d", "mysql://app:se?cret@h/d", "mysql://app:se#cret@h/d",
                             "mysql://app:secret/x", "mysql://app:secret", "mysql://app:s%zcret@h/d",
                             "mysql://app:secret@h", "mysql://app:se cret@h/d", "http://app:secret@h/d",
                             "mysql://app:secret@h:port/d", "mysql://app:secret@h^/d"}) {
        CAPTURE(text);
        auto const what = complaint(parse_mysql_url, text);
        CHECK(what != "");
        CHECK(what.find("cret") == std::string::npos);
        CHECK(what.find("app") == std::string::npos);
    }
}

TEST_CASE("an endpoint gives host, port and the Host header") {
    auto const local = parse_http_url("http://127.0.0.1:8000");
    CHECK_FALSE(local.tls);
    CHECK(local.port == 8000);
    CHECK(local.authority() == "127.0.0.1:8000");
    auto const aws = parse_http_url("https://dynamodb.ap-northeast-2.amazonaws.com/");
    CHECK(aws.tls);
    CHECK(aws.port == 443);
    CHECK(aws.authority() == "dynamodb.ap-northeast-2.amazonaws.com");
    CHECK(parse_http_url("http://[::1]:8000").authority() == "[::1]:8000");
    CHECK(parse_http_url("https://h:80").authority() == "h:80");
}

TEST_CASE("a malformed endpoint is refused") {
    for (auto const* text : {"", "ftp://h", "http://", "http://h:port", "http://u@h", "http://u:p@h",
                             "http://:p@h", "http://h/x", "http://h?x=y", "h:8000", "http://h:80:80"}) {
        CAPTURE(text);
        CHECK(complaint(parse_http_url, text) != "");
    }
}
