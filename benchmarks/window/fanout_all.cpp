// SPDX-License-Identifier: BSL-1.0

#include <fanout/limit/window.hpp>
#include <fanout/when_all.hpp>

#include "workload.hpp"

namespace {

bench::asio::awaitable<void> all(std::size_t n) {
    co_await fanout::when_all(window::inputs(n), window::child, fanout::limit(window::width));
}

bench::contender const one("window/fanout_all", window::config, bench::one<all>);
bench::contender const threads("window/fanout_all@threads", window::on_threads, bench::threads<all>);

} // namespace
