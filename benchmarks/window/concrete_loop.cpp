// SPDX-License-Identifier: BSL-1.0

// The same loop, of coroutines that know their executor's type.

#include "workload.hpp"

namespace {

window::concrete<void> loop(std::size_t n) {
    for (auto const i : window::inputs(n)) {
        co_await window::concrete_child(i);
    }
}

bench::contender const one("window/concrete_loop", window::config, bench::one<loop>);

} // namespace
