// SPDX-License-Identifier: BSL-1.0

// What a fan-out of a million children takes while it is recorded, and while that is written.

#include <fanout/limit/window.hpp>
#include <fanout/observe/chrome_trace.hpp>
#include <fanout/observe/recording.hpp>
#include <fanout/observe/waterfall.hpp>
#include <fanout/when_all.hpp>

#include "../../support/harness.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <new>
#include <ostream>
#include <ranges>
#include <streambuf>

namespace {

std::size_t in_use = 0, most = 0;

}

void* operator new(std::size_t n) {
    auto* const p = std::malloc(n);
    if (p == nullptr) {
        throw std::bad_alloc();
    }
    in_use += malloc_usable_size(p);
    most = (std::max)(most, in_use);
    return p;
}
void operator delete(void* p) noexcept {
    in_use -= p != nullptr ? malloc_usable_size(p) : 0;
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

using namespace test;

namespace {

/// How much more memory than before was in use at once while `f` ran.
std::size_t peak(auto f) {
    auto const before = in_use;
    most = in_use;
    f();
    return most - before;
}

asio::awaitable<void> ready(std::size_t) { co_return; }

struct nowhere : std::streambuf {
    int_type overflow(int_type c) override { return c == traits_type::eof() ? 0 : c; }
    std::streamsize xsputn(char const*, std::streamsize n) override { return n; }
};

} // namespace

TEST_CASE("a fan-out of a million children is recorded, and written as a trace and as a picture, in bounded "
          "memory") {
    constexpr std::size_t kept = 50'000;
    asio::io_context context(1);
    fanout::recording rec(fanout::recording::options{.max_attempts = kept, .max_levels = 1'000});
    auto const inputs = std::views::iota(std::size_t{0}, std::size_t{1'000'000});
    auto const running = peak([&] {
        auto const r = run(context, fanout::when_all(inputs, ready, fanout::limit(64), rec));
        CHECK(r->done);
    });
    CHECK(rec.totals().fulfilled() == 1'000'000);
    CHECK(rec.attempts().size() + rec.dropped() == 1'000'000);
    CHECK(rec.attempts().size() > kept / 2);
    CHECK(running < kept * 64);

    nowhere sink;
    std::ostream out(&sink);
    auto const traced = peak([&] { fanout::write_chrome_trace(out, rec); });
    auto const drawn = peak([&] { fanout::write_waterfall(out, rec); });
    CHECK(out.good());
    CHECK(traced < kept * 150);
    CHECK(drawn < kept * 150);
    std::cout << "a million children, " << kept << " attempts kept: " << running / 1024
              << " KiB while they ran, " << traced / 1024 << " KiB for the trace, " << drawn / 1024
              << " KiB for the picture\n";
}
