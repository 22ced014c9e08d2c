#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/retry_strategies.sh [--inputs N] [--limit N] [--fails PERCENT] [--call MS] [--spread PERCENT]
# [--attempts N] [--base MS] [--cap MS] [--seed N]: how long three ways of retrying take against a backend that
# fails now and then: rounds with a barrier, retry inside each permit, retry_rejected. In virtual time. Exit status
# 1 where retry_rejected is not the fastest.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh bench
cmake --preset release -B build/bench -DFANOUT_BUILD_TESTS=OFF -DFANOUT_BUILD_EXAMPLES=OFF >/dev/null
cmake --build build/bench --target retry_strategies --parallel "$(nproc)" >/dev/null
exec build/bench/benchmarks/retry_strategies "$@"
