#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/observer_cost.sh [N]: what observers cost: instructions per child of when_all_settled(limit(64)), whose children
# post once, without an observer and with several. Counted at N and at 2 N children (default 50000; see
# scripts/instructions.sh; from 131072 on `recording` thins out what it keeps).
# Exit status 1 where the empty observer costs more than 1 % more, or less, than none.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/instructions.sh

n=$(fanout_size "${1:-50000}")
fanout_build_benchmark observer_cost

printf '%-42s %22s %8s\n' 'when_all_settled(limit(64))' 'instructions per child' ratio
declare -A per_child
for what in none empty hook stats recording both; do
    per_child[$what]=$(fanout_each $what "$n")
    case $what in
    none) name='no observer' ;;
    empty) name='the empty observer: observe()' ;;
    hook) name='one hook, on_settled, that does nothing' ;;
    stats) name=stats ;;
    recording) name=recording ;;
    both) name='observe(stats, recording)' ;;
    esac
    printf '%-42s %22d %8s\n' "$name" "${per_child[$what]}" "$(fanout_ratio "${per_child[$what]}" "${per_child[none]}")"
done
more=$((per_child[empty] - per_child[none]))
if [ $((${more#-} * 100)) -gt "${per_child[none]}" ]; then
    echo 'MISS: the empty observer costs something: its instructions differ from those of none by more than 1 %'
    exit 1
fi
echo 'ok: the empty observer costs nothing: its instructions are those of none within 1 %'
