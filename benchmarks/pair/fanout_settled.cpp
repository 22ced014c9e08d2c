// SPDX-License-Identifier: BSL-1.0

#include <fanout/when_all_settled.hpp>

#include "workload.hpp"

namespace {

template <auto Child>
bench::asio::awaitable<void> pairs(std::size_t n) {
    for (auto const i : pair::inputs(n)) {
        auto const both = co_await fanout::when_all_settled(Child(i), Child(i));
        bench::require(get<0>(both).has_value() && get<1>(both).has_value(), "both succeed");
    }
}

bench::contender const one("pair/fanout_settled", pair::config, bench::one<pairs<pair::child>>);
bench::contender const ready("pair/fanout_settled@ready", pair::of_ready,
                             bench::one<pairs<pair::ready_child>>);
bench::contender const threads("pair/fanout_settled@threads", pair::on_threads,
                               bench::threads<pairs<pair::child>>);

} // namespace
