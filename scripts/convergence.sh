#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/convergence.sh [--slots N] [--network PERCENT] [--jitter PERCENT] [--seed N]: how fast the adaptive
# limits settle at the level of a simulated backend, and what of its capacity they then use; three fixed
# limits beside them. In virtual time. Exit status 1 where a cell that is to hold does not.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh bench
cmake --preset release -B build/bench -DFANOUT_BUILD_TESTS=OFF -DFANOUT_BUILD_EXAMPLES=OFF >/dev/null
cmake --build build/bench --target convergence --parallel "$(nproc)" >/dev/null
exec build/bench/benchmarks/convergence "$@"
