// SPDX-License-Identifier: BSL-1.0
#include "sigv4.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

// botocore computed what is compared with here: see make_sigv4_vectors.py.
TEST_CASE("signatures are those of botocore") {
    std::ifstream file(SIGV4_VECTORS);
    std::ostringstream text;
    text << file.rdbuf();
    auto const vectors = boost::json::parse(text.str()).as_array();
    REQUIRE(vectors.size() >= 7);
    auto const pairs = [](boost::json::value const& list) {
        std::vector<std::pair<std::string, std::string>> out;
        for (auto const& pair : list.as_array())
            out.emplace_back(pair.at(0).as_string(), pair.at(1).as_string());
        return out;
    };
    for (auto const& v : vectors) {
        auto const string = [&v](char const* name) { return std::string(v.at(name).as_string()); };
        CAPTURE(string("name"));
        adapters::aws_credentials const credentials{string("access_key_id"), string("secret_access_key"),
                                                    string("session_token"), string("region")};
        auto const body = string("body");
        adapters::sigv4_request const request{string("method"), "/", pairs(v.at("query")),
                                              pairs(v.at("headers")), body};
        auto const now = std::chrono::system_clock::from_time_t(v.at("unix_time").as_int64());
        auto const signature = adapters::sign_v4(request, credentials, string("service"), now);
        CHECK(signature.amz_date == string("amz_date"));
        CHECK(signature.authorization == string("authorization"));
    }
}
