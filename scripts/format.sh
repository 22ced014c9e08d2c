#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/format.sh [--check]: formats every C++ file of the repository by clang-format 19; with --check only says
# which files are not, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1-}" in
--check) mode=(--dry-run -Werror) ;;
"") mode=(-i) ;;
*)
    echo "usage: scripts/format.sh [--check]" >&2
    exit 2
    ;;
esac
git ls-files -z '*.hpp' '*.cpp' | xargs -0 -r clang-format-19 "${mode[@]}"
