// SPDX-License-Identifier: BSL-1.0

#include <fanout/retry/retried.hpp>
#include <fanout/retry_rejected.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace test;
using namespace std::chrono_literals;

namespace {

using times = fanout::basic_options<manual_clock>;
constexpr fanout::retry_policy<fanout::constant> three_attempts{.max_attempts = 3,
                                                                .backoff = {.interval = 1s}};

std::string text_of(std::exception_ptr const& e) { return fanout::detail::what_of(fanout::error_code(), e); }

} // namespace

TEST_CASE("failures: exactly those that failed, after how many attempts, with the last and the first error") {
    asio::io_context ctx(1);
    // 0: fulfilled; 1: fails each time in another way; 2: fulfilled at the third attempt; 3: may not be retried;
    // 4: fails the same way each time; 5: throws first, and ends by a code then
    auto child = [](int i, fanout::basic_attempt<manual_clock> const& a) -> asio::awaitable<int> {
        co_await turn();
        auto const n = std::to_string(a.number);
        switch (i) {
        case 1: throw std::runtime_error("number " + n);
        case 2:
            if (a.number < 3) {
                throw std::runtime_error("not yet");
            }
            break;
        case 3: throw boost::system::system_error(asio::error::access_denied);
        case 4: throw boost::system::system_error(asio::error::connection_refused);
        case 5:
            if (a.number == 1) {
                throw std::runtime_error("first");
            }
            throw boost::system::system_error(asio::error::try_again, "then");
        default: break;
        }
        co_return i;
    };
    auto transient = [](fanout::settled<int> const& o) { return o.error() != asio::error::access_denied; };
    auto r = launch(ctx, fanout::retry_rejected(std::views::iota(0, 6), child, three_attempts, times{},
                                                fanout::retry_if(transient)));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    auto const failures = r->value->failures();
    REQUIRE(failures.size() == 4);
    CHECK(failures[0].index == 1);
    CHECK(failures[0].attempts == 3);
    CHECK(text_of(failures[0].exception) == "number 3");
    CHECK(text_of(failures[0].first_exception) == "number 1");
    CHECK(failures[1].index == 3);
    CHECK(failures[1].attempts == 1);
    CHECK(failures[1].first_error == asio::error::access_denied);
    CHECK(failures[2].index == 4);
    CHECK(failures[2].error == asio::error::connection_refused);
    CHECK(failures[2].first_error == asio::error::connection_refused);
    CHECK(failures[3].error == asio::error::try_again);
    CHECK(failures[3].first_error == fanout::errc::exception);

    REQUIRE(r->value->first_failures.size() == 3); // of those that failed more than once, and for good
    CHECK(r->value->first_failures[2].index == 5);
    try {
        r->value->values();
        FAIL("values() must throw");
    } catch (fanout::rejected_error const& e) {
        std::string const what = e.what();
        CHECK(what.find(
                  "4 of 6 inputs failed: #1 (3 attempts): number 3 (first: number 1); #3 (1 attempt): ") ==
              0);
        auto const four = what.find("; #4 (3 attempts): ");
        REQUIRE(four != std::string::npos);
        CHECK(what.find("(first", four) == what.find("(first: first)")); // not of #4, which failed alike
        CHECK(e.failures()[0].first_exception != nullptr);
    }
}

TEST_CASE("children of different types have their first errors, too") {
    asio::io_context ctx(1);
    auto f = [](fanout::basic_attempt<manual_clock> const& a) -> asio::awaitable<void> {
        co_await turn();
        throw std::runtime_error("number " + std::to_string(a.number));
    };
    auto g = [](fanout::basic_attempt<manual_clock> const& a) -> asio::awaitable<int> {
        co_await turn();
        if (a.number < 3) {
            throw std::runtime_error("not yet");
        }
        co_return 3;
    };
    auto r = launch(ctx, fanout::retry_rejected(f, g, three_attempts, times{}));
    fanout::testing::run(ctx);
    REQUIRE(r->done);
    auto const failures = r->value->failures();
    REQUIRE(failures.size() == 1);
    CHECK(failures[0].attempts == 3);
    CHECK(text_of(failures[0].exception) == "number 3");
    CHECK(text_of(failures[0].first_exception) == "number 1");
}

TEST_CASE("the message stays readable at 10,000 failures with first errors") {
    std::vector<fanout::failure> failures;
    for (std::size_t i = 0; i < 10000; ++i) {
        failures.push_back(
            {i, 4, asio::error::connection_refused, nullptr, fanout::errc::timed_out, nullptr});
    }
    fanout::rejected_error const e(std::move(failures), 20000);
    std::string const what = e.what();
    CHECK(what.size() < 1500);
    CHECK(what.find("#9 (4 attempts): Connection refused (first: timed out); and 9990 more") !=
          std::string::npos);
}
