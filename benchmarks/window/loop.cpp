// SPDX-License-Identifier: BSL-1.0

// The loop as a program of its own: see workload.hpp.

#include "workload.hpp"

namespace {

bench::contender const one("window/loop", window::config, bench::one<window::loop>);
bench::contender const threads("window/loop@threads", window::on_threads, bench::threads<window::loop>);

} // namespace
