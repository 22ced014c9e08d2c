#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/transaction_retry.sh: lets transactions run into a deadlock (1213) and a lock wait timeout (1205) on a MariaDB,
# and shows how each is run again as a whole, and applied exactly once.
# Starts and stops its own server; the first run installs what is missing (scripts/setup.sh) and builds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/paths.sh

scripts/setup.sh test >&2

build=build/release
cmake --preset release -DFANOUT_BUILD_EXAMPLES=ON -DFANOUT_BUILD_TESTS=OFF >/dev/null
cmake --build $build --target transaction_retry >&2

FANOUT_TRANSACTION_RETRY=$PWD/$build/examples/transaction_retry/transaction_retry \
    exec $fanout_python -B tests/integration/transaction_retry.py
