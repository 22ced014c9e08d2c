// SPDX-License-Identifier: BSL-1.0

// Tests of download.hpp: hours of sleeping, in some milliseconds.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "download.hpp"

#include <fanout/error.hpp>
#include <fanout/testing/virtual_clock.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <future>
#include <random>
#include <string>
#include <vector>

// [scene]
using fanout::testing::virtual_clock;

struct scene {
    explicit scene(server<virtual_clock> const& s, std::uint32_t jitter = 1) : pages_from(s), random(jitter) {
        for (int i = 0; i < 100; ++i) {
            urls.push_back(std::to_string(i) + ".html");
        }
    }

    /// Downloads all, and tells how long that took.
    virtual_clock::duration run() {
        pages = asio::co_spawn(context, download(pages_from, urls, random), asio::use_future);
        return fanout::testing::run(context);
    }

    asio::io_context context{1};
    client<virtual_clock> pages_from;
    std::minstd_rand random;
    std::vector<std::string> urls;
    std::future<std::vector<std::string>> pages;
};
// [/scene]

// [tests]
TEST_CASE("100 pages, eight at a time, 200 ms each: 13 times 200 ms") {
    scene x({.answers_after = 200ms});
    CHECK(x.run() == 13 * 200ms);
    CHECK(x.pages.get().at(42) == "the page at 42.html");
}

TEST_CASE("a server that is closed for two hours: all pages are there one sleep after it opened") {
    scene x({.closed_until = virtual_clock::now() + 2h});
    auto const took = x.run();
    CHECK(took > 2h);
    CHECK(took < 2h + 30min + 13 * 200ms);
    CHECK(x.pages.get().size() == 100);
}

TEST_CASE("a server that drops each third connection: the same seeds, the same time to the nanosecond") {
    auto const first = scene({.drops = 0.33, .seed = 7}, 42).run();
    CHECK(scene({.drops = 0.33, .seed = 7}, 42).run() == first);
    CHECK(scene({.drops = 0.33, .seed = 7}, 43).run() != first);
}

TEST_CASE("a server that stays closed is given up before six hours are over, at most one sleep before") {
    scene x({.closed_until = virtual_clock::now() + 24h});
    auto const took = x.run();
    CHECK(took <= 6h);
    CHECK(took >= 6h - 30min);
    CHECK_THROWS_AS(x.pages.get(), fanout::rejected_error);
}

TEST_CASE("a server that takes 31 s for an answer: no attempt waits longer than 30 s") {
    scene x({.answers_after = 31s});
    CHECK(x.run() <= 6h);
    CHECK_THROWS_WITH_AS(x.pages.get(), doctest::Contains("100 of 100"), fanout::rejected_error);
}
// [/tests]
