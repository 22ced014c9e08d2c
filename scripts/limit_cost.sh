#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/limit_cost.sh [N]: what limits cost in instructions: try_acquire and release of an uncontended semaphore, and a
# child of a fan-out under each kind of limit, beside limit(64). Callgrind's count at N and at 2 N, the difference divided
# by N (default 50000; the figure does not depend on it).
# Exit status 1 where a permit takes more than 60 instructions.
set -euo pipefail
cd "$(dirname "$0")/.."

n=${1:-50000}
case $n in *[!0-9]* | '' | 0*) echo "limit_cost.sh: N must be a positive number, not '$n'" >&2; exit 2 ;; esac
scripts/setup.sh bench
. scripts/paths.sh

cmake --preset release -B build/bench -DFANOUT_BUILD_TESTS=OFF -DFANOUT_BUILD_EXAMPLES=OFF >/dev/null
cmake --build build/bench --target limit_cost --parallel "$(nproc)" >/dev/null
program=build/bench/benchmarks/limit_cost

instructions() { # <what> <size>
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | awk '/Collected/ {print $4}'
}

printf '%-44s %14s %8s\n' '' instructions ratio
declare -A each
for what in permit window semaphore contended adaptive pool keyed; do
    one=$(instructions $what "$n")
    two=$(instructions $what $((2 * n)))
    each[$what]=$(((two - one) / n))
    case $what in
    permit) name='try_acquire + release, uncontended' ;;
    window) name='a child under limit(64)' ;;
    semaphore) name='a child under semaphore(64)' ;;
    contended) name='the same, shared by two fan-outs' ;;
    adaptive) name='a child under adaptive<aimd>, at most 64' ;;
    pool) name='a child under pool(64)' ;;
    keyed) name='a child under limit(64), 64 keys' ;;
    esac
    ratio=
    [ $what = permit ] || ratio=$(awk -v a="${each[$what]}" -v b="${each[window]}" 'BEGIN { printf "%.3f", a / b }')
    printf '%-44s %14d %8s\n' "$name" "${each[$what]}" "$ratio"
done
if [ "${each[permit]}" -gt 60 ]; then
    echo 'MISS: try_acquire and release take more than 60 instructions'
    exit 1
fi
echo 'ok: try_acquire and release take at most 60 instructions'
