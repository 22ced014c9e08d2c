// SPDX-License-Identifier: BSL-1.0

// Contenders of which is known what they allocate: the frame must tell just that.

#include "../../benchmarks/support/bench.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace {

void* volatile last = nullptr; // what is allocated must not be optimised away

// Each child: one block of 100 bytes that is kept, and two that are not, by three ways to get one.
void allocates(std::size_t n) {
    std::vector<void*> kept;
    kept.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        kept.push_back(std::malloc(100));
        last = ::operator new(30);
        ::operator delete(last);
        last = std::aligned_alloc(64, 64);
        last = std::realloc(last, 128);
        std::free(last);
    }
    for (auto* const block : kept) {
        std::free(block);
    }
}

bench::asio::awaitable<void> posts(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        co_await bench::asio::post(bench::asio::deferred);
    }
}

void throws(std::size_t) { throw std::runtime_error("a run that fails"); }
void breaks(std::size_t) { bench::require(false, "all children ended"); }

bench::config const config{.floor = "known/posts", .sizes = {100, 200}, .result_bytes = 40};
bench::contender const a("known/allocates", config, allocates);
bench::contender const p("known/posts", config, bench::one<posts>);
bench::contender const t("known/posts@threads", config, bench::threads<posts>);
bench::contender const x("known/throws", config, throws);
bench::contender const b("known/breaks", config, breaks);

} // namespace
