// SPDX-License-Identifier: BSL-1.0

#include "workload.hpp"

namespace {

bench::contender const one("pair/operators", pair::config, bench::one<pair::with_operators<pair::child>>);
bench::contender const ready("pair/operators@ready", pair::of_ready,
                             bench::one<pair::with_operators<pair::ready_child>>);
bench::contender const threads("pair/operators@threads", pair::on_threads,
                               bench::threads<pair::with_operators<pair::child>>);

} // namespace
