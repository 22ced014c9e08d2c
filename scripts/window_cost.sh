#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/window_cost.sh [N]: what a limited fan-out costs beside a plain co_await loop over the same children, each of
# which posts once. Instructions per child: callgrind's count at N and at 2 N children, the difference divided by N
# (default 200000; the figure does not depend on it). Then the peak memory of when_all at 1,000,000 and 4,000,000 children.
# Exit status 1 where when_all_settled takes more than 1.15 times the loop's instructions.
set -euo pipefail
cd "$(dirname "$0")/.."

n=${1:-200000}
case $n in *[!0-9]* | '' | 0*) echo "window_cost.sh: N must be a positive number, not '$n'" >&2; exit 2 ;; esac
scripts/setup.sh bench
. scripts/paths.sh

cmake --preset release -B build/bench -DFANOUT_BUILD_TESTS=OFF -DFANOUT_BUILD_EXAMPLES=OFF >/dev/null
cmake --build build/bench --target window_cost --parallel "$(nproc)" >/dev/null
program=build/bench/benchmarks/window_cost

instructions() { # <what> <children>
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | awk '/Collected/ {print $4}'
}

printf '%-42s %22s %8s\n' 'limit(64), io_context(1), any_io_executor' 'instructions per child' 'ratio'
declare -A per_child
for what in loop settled all; do
    one=$(instructions $what "$n")
    two=$(instructions $what $((2 * n)))
    per_child[$what]=$(((two - one) / n))
    case $what in loop) name='co_await loop' ;; settled) name=when_all_settled ;; all) name=when_all ;; esac
    printf '%-42s %22d %8s\n' "$name" "${per_child[$what]}" \
        "$(awk -v a="${per_child[$what]}" -v b="${per_child[loop]}" 'BEGIN { printf "%.3f", a / b }')"
done
"$program" all 1000000
"$program" all 4000000
if [ $((per_child[settled] * 100)) -gt $((per_child[loop] * 115)) ]; then
    echo 'MISS: when_all_settled takes more than 1.15 times the instructions of the loop'
    exit 1
fi
echo 'ok: when_all_settled takes at most 1.15 times the instructions of the loop'
