#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/bench.sh [--quick] [--only WORKLOAD[/CONTENDER]]… [--part counts|times] [--svg FOLDER] [--write]
#                  [--no-worse PERCENT] [--build-only] [--jobs N]: what a fan-out costs beside its alternatives. Installs
# what is missing (scripts/setup.sh bench), builds benchmarks/, measures, and prints one Markdown table, then the bounds of
# benchmarks/bounds.toml, each with its figure and `ok` or `MISS`.
#   --quick       only the workloads that have a bound: under 5 minutes with the build
#   --only        only this workload, or this contender and its floor; may be given several times
#   --part        only the bounds, and what they are about: those that may be measured beside other work, of instructions,
#                 allocations and memory (`counts`), or those that are `times`
#   --svg FOLDER  also plots (benchmarks/plots), and the figures as FOLDER/results.tsv
#   --write       also writes docs/benchmarks/table.md
#   --no-worse    for the tests: status 1 only where a figure is so many percent above its bound or, where that is known to
#                 be missed, above what was reached so far
#   --build-only  builds, and measures nothing
#   --jobs N      so many compilers and callgrinds at a time; by default one for each processor
# Instructions are counted by callgrind at N and at 2 N children, and the difference divided by N: they repeat, and do not
# depend on what else the machine does. Times are ratios of one run.
# Exit status 1 where a bound is missed or something could not be measured, 2 where an argument is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/paths.sh

command -v "$fanout_python" >/dev/null || scripts/setup.sh bench
exec "$fanout_python" -B scripts/bench/main.py "$@"
