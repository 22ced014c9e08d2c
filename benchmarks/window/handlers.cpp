// SPDX-License-Identifier: BSL-1.0

// No coroutine and no fan-out: 64 chains of completion handlers, each of which posts the next child. What Asio itself
// takes for the operations.

#include "workload.hpp"

namespace {

struct chain {
    using executor_type = window::executor;
    executor_type get_executor() const noexcept { return executor; }

    void operator()() const {
        if (*left > 0) {
            --*left;
            bench::asio::post(*this);
        }
    }

    executor_type executor;
    std::size_t* left;
};

void handlers(std::size_t n) {
    bench::asio::io_context context(1);
    auto left = n;
    for (std::size_t i = 0; i < window::width; ++i) {
        chain{context.get_executor(), &left}();
    }
    context.run();
    bench::require(left == 0, "each child ran");
}

bench::contender const one("window/handlers", window::of_concrete, handlers);

} // namespace
