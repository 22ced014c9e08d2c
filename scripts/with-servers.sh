#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/with-servers.sh [--round-trip 50ms] {mariadb|postgresql|redis|dynamodb}… -- command [argument…]: starts these
# servers on free ports, runs the command, stops the servers, and ends with the command's exit status. With --round-trip
# they are reached through a network that takes so long there and back.
# The command finds them by FANOUT_MYSQL_URL, FANOUT_POSTGRES_URL, FANOUT_REDIS_URL and FANOUT_DYNAMODB_URL (with
# AWS_ACCESS_KEY_ID and so on) in its environment. The first run installs what is missing (scripts/setup.sh).
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$repository/scripts/setup.sh" test >&2
. "$repository/scripts/paths.sh"
export FANOUT_DYNAMODB_LOCAL=$fanout_dynamodb_local FANOUT_POSTGRES_BIN FANOUT_REDIS_SERVER
FANOUT_POSTGRES_BIN=$(fanout_find_postgres)
FANOUT_REDIS_SERVER=$(fanout_find_redis)

exec $fanout_python -B "$repository/tests/integration/with_servers.py" "$@"
