#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/test.sh [ctest options, e.g. -R integration]: installs what is missing (scripts/setup.sh), builds, and runs all
# tests: the unit tests, and the integration tests against a real MariaDB and DynamoDB Local, which these start and stop
# by themselves on free ports.
# FANOUT_CMAKE_ARGS: further arguments for the configure step.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
. scripts/paths.sh

jobs=$(nproc)
# shellcheck disable=SC2086 # several arguments in one variable are meant
cmake --preset dev -DFANOUT_TEST_SERVERS=ON \
    "-DFANOUT_DYNAMODB_LOCAL=$fanout_dynamodb_local" "-DFANOUT_NGINX=$(fanout_find_nginx)" ${FANOUT_CMAKE_ARGS-}
cmake --build build/dev --parallel "$jobs"
# ctest's own closing line, `100% tests passed, …`, is printed last.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --preset dev --parallel "$jobs" "$@" | tee "$log" || status=$?
grep -E '^[0-9]+% tests passed' "$log" || true
exit $status
