#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/test.sh [ctest options, e.g. -R integration]: installs what is missing (scripts/setup.sh), builds, and runs all
# tests: the unit tests, and the integration tests against real servers (MariaDB, PostgreSQL, Redis, DynamoDB Local), which
# these start and stop by themselves on free ports. Prints what the experiments measured beside the articles' figures.
# FANOUT_CMAKE_ARGS: further arguments for the configure step.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test
. scripts/paths.sh

jobs=$(nproc)
# shellcheck disable=SC2086 # several arguments in one variable are meant
cmake --preset dev -DFANOUT_TEST_SERVERS=ON -DFANOUT_TEST_UNITY=ON \
    "-DFANOUT_DYNAMODB_LOCAL=$fanout_dynamodb_local" "-DFANOUT_NGINX=$(fanout_find_nginx)" \
    "-DFANOUT_POSTGRES_BIN=$(fanout_find_postgres)" "-DFANOUT_REDIS_SERVER=$(fanout_find_redis)" ${FANOUT_CMAKE_ARGS-}
cmake --build build/dev --parallel "$jobs"
# ctest's own closing line, `100% tests passed, …`, is printed last.
log=$(mktemp)
FANOUT_EXPERIMENTS=$(mktemp) # the tests of the experiments add their figures to it
export FANOUT_EXPERIMENTS
trap 'rm -f "$log" "$FANOUT_EXPERIMENTS"' EXIT
status=0
ctest --preset dev --parallel "$jobs" "$@" | tee "$log" || status=$?
$fanout_python -B tests/integration/experiments.py "$FANOUT_EXPERIMENTS" "$log" || status=1
grep -E '^[0-9]+% tests passed' "$log" || true
exit $status
