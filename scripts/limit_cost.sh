#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/limit_cost.sh [N]: what limits cost in instructions: try_acquire and release of an uncontended semaphore, and a
# child of a fan-out under each kind of limit, beside limit(64). Counted at N and at 2 N (default 50000; see
# scripts/instructions.sh).
# Exit status 1 where a permit takes more than 60 instructions.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/instructions.sh

n=$(fanout_size "${1:-50000}")
fanout_build_benchmark limit_cost

printf '%-44s %14s %8s\n' '' instructions ratio
declare -A each
for what in permit window semaphore contended adaptive pool keyed; do
    each[$what]=$(fanout_each $what "$n")
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
    [ $what = permit ] || ratio=$(fanout_ratio "${each[$what]}" "${each[window]}")
    printf '%-44s %14d %8s\n' "$name" "${each[$what]}" "$ratio"
done
if [ "${each[permit]}" -gt 60 ]; then
    echo 'MISS: try_acquire and release take more than 60 instructions'
    exit 1
fi
echo 'ok: try_acquire and release take at most 60 instructions'
