#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/demo.sh: the daily snapshot of 1,000 videos, one after another and then fanned out, on a database file that
# answers as slowly as a network does. Prints both runs and how many times faster the second was.
# Needs no server. The first run installs what is missing (scripts/setup.sh) and builds; later runs take seconds.
set -euo pipefail
shopt -s inherit_errexit # a run that records less than everything ends the demo
cd "$(dirname "$0")/.."

scripts/setup.sh demo

build=build/release
cmake --preset release -DFANOUT_BUILD_EXAMPLES=ON -DFANOUT_BUILD_TESTS=OFF >/dev/null
cmake --build $build --target video_snapshot

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

# Runs the program on a fresh file and prints its last line.
snapshot() {
    local strategy=$1 output
    shift
    output=$($build/examples/video_snapshot/video_snapshot \
        --embedded "$data/$strategy.db" --strategy "$strategy" "$@") || {
        printf 'demo: not everything was recorded:\n%s\n' "$output" >&2
        exit 1
    }
    tail -n 1 <<<"$output"
}

# The seconds in `snapshot: F fulfilled, R rejected, N not started, D doubled; S s, parallelism P`.
seconds() { sed -nE 's/^snapshot: .*; ([0-9.]+) s, parallelism .*$/\1/p' <<<"$1"; }

echo "one after another:"
sequential=$(snapshot sequential)
echo "  $sequential"
echo "fanned out, at most 64 at once:"
fanned_out=$(snapshot retry --limit 64)
echo "  $fanned_out"

awk -v a="$(seconds "$sequential")" -v b="$(seconds "$fanned_out")" 'BEGIN {
    if (a + 0 == 0 || b + 0 == 0) {
        print "demo: a run printed no time" > "/dev/stderr"
        exit 1
    }
    printf "fan-out is %.0f× faster\n", a / b
}'
