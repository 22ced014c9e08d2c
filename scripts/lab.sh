#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/lab.sh [--round-trip 20ms] [argument…]: builds the strategy lab and runs it with these arguments (--help tells
# them). Where --mysql or --dynamodb is given without a URL, and the environment has none in FANOUT_MYSQL_URL or
# FANOUT_DYNAMODB_URL, it starts such a server for the run, with --round-trip behind a network that takes so long there
# and back. Say, whether the simulation ranks the strategies as a MariaDB of 32 connections does:
#     scripts/lab.sh --mysql --connections 32 --sleep 10ms --scale 500 --compare
# The first run installs what is missing (scripts/setup.sh).
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

network=()
if [ "${1-}" = --round-trip ]; then
    if [ $# -lt 2 ]; then
        echo "usage: scripts/lab.sh [--round-trip Nms] [argument…]" >&2
        exit 2
    fi
    network=(--round-trip "$2")
    shift 2
fi

# The servers that are asked for by an option whose URL is neither beside it nor in the environment.
servers=() plots=no
for ((i = 1; i <= $#; ++i)); do
    next=$((i + 1))
    following=-
    [ $next -gt $# ] || following=${!next}
    case ${!i} in
    --mysql) [[ $following != -* || -n ${FANOUT_MYSQL_URL-} ]] || servers+=(mariadb) ;;
    --dynamodb) [[ $following != -* || -n ${FANOUT_DYNAMODB_URL-} ]] || servers+=(dynamodb) ;;
    --svg*) plots=yes ;;
    esac
done
if [ ${#network[@]} -gt 0 ] && [ ${#servers[@]} -eq 0 ]; then
    echo "lab.sh: --round-trip is for a server that this starts: --mysql or --dynamodb, without a URL" >&2
    exit 2
fi

(
    cd "$repository"
    purpose=bench
    # gnuplot is among what the tests need.
    if [ ${#servers[@]} -gt 0 ] || { [ $plots = yes ] && ! command -v gnuplot >/dev/null; }; then
        purpose=test
    fi
    scripts/setup.sh $purpose
    cmake --preset release -DFANOUT_BUILD_EXAMPLES=ON -DFANOUT_BUILD_TESTS=OFF
    cmake --build build/release --target lab
) >&2

lab=$repository/build/release/benchmarks/lab/lab
# Not from the repository: files that are named in the arguments are the caller's.
if [ ${#servers[@]} -gt 0 ]; then
    exec "$repository/scripts/with-servers.sh" "${network[@]}" "${servers[@]}" -- "$lab" "$@"
fi
exec "$lab" "$@"
