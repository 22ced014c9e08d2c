#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/window_cost.sh [N]: what a limited fan-out costs beside a plain co_await loop over the same children, each of
# which posts once: instructions per child, counted at N and at 2 N children (default 200000; see
# scripts/instructions.sh). Then the peak memory of when_all at 1,000,000 and 4,000,000 children.
# Exit status 1 where when_all_settled takes more than 1.15 times the loop's instructions.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/instructions.sh

n=$(fanout_size "${1:-200000}")
fanout_build_benchmark window_cost

printf '%-42s %22s %8s\n' 'limit(64), io_context(1), any_io_executor' 'instructions per child' 'ratio'
declare -A per_child
for what in loop settled all; do
    per_child[$what]=$(fanout_each $what "$n")
    case $what in loop) name='co_await loop' ;; settled) name=when_all_settled ;; all) name=when_all ;; esac
    printf '%-42s %22d %8s\n' "$name" "${per_child[$what]}" "$(fanout_ratio "${per_child[$what]}" "${per_child[loop]}")"
done
"$fanout_program" all 1000000
"$fanout_program" all 4000000
if [ $((per_child[settled] * 100)) -gt $((per_child[loop] * 115)) ]; then
    echo 'MISS: when_all_settled takes more than 1.15 times the instructions of the loop'
    exit 1
fi
echo 'ok: when_all_settled takes at most 1.15 times the instructions of the loop'
