#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/pictures.sh [name…]: makes the waterfalls in docs/pictures that README.md and docs/ show, all or those named, by
# running each example anew, beside the servers that it needs, which this starts and stops.
# The first run installs what is missing (scripts/setup.sh) and builds. Takes some two minutes then.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

names=(sequential fan_out sleepers product_reorder transaction_fanout favorite_summoner favorite_people connections
    transaction_retry)
is_one_of() {
    local name=$1 other
    shift
    for other in "$@"; do
        [ "$name" != "$other" ] || return 0
    done
    return 1
}
if [ $# -gt 0 ]; then
    for name in "$@"; do
        if ! is_one_of "$name" "${names[@]}"; then
            echo "pictures.sh: there is no picture '$name'; there are ${names[*]}" >&2
            exit 2
        fi
    done
    names=("$@")
fi

scripts/setup.sh test >&2
build=build/release
cmake --preset release -DFANOUT_BUILD_EXAMPLES=ON -DFANOUT_BUILD_TESTS=OFF >/dev/null
programs=()
for name in "${names[@]}"; do
    case $name in sequential | fan_out) programs+=(video_snapshot) ;; *) programs+=("$name") ;; esac
done
cmake --build $build --target "${programs[@]}" >&2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# example <name> <argument…>: the example's waterfall. A program that shows something wrong makes no picture.
example() {
    local name=$1
    shift
    "$PWD/$build/examples/$name/$name" --quiet --waterfall "$work/$name.svg" "$@"
}
snapshot() { # <picture> <argument…>
    local picture=$1
    shift
    "$build/examples/video_snapshot/video_snapshot" --embedded "$work/$picture.db" --quiet \
        --waterfall "$work/$picture.svg" "$@"
}
# with <server…> -- <function> <argument…>
with() {
    local servers=()
    while [ "$1" != -- ]; do
        servers+=("$1")
        shift
    done
    shift
    scripts/with-servers.sh "${servers[@]}" -- bash -euo pipefail -c "$(declare -f example); build=${build@Q}; work=${work@Q}"'
        "$@"' pictures "$@"
}

for name in "${names[@]}"; do
    echo "$name:"
    case $name in
    sequential) snapshot sequential --strategy sequential ;;
    fan_out) snapshot fan_out --strategy retry --limit 64 --throttle 5% ;;
    sleepers) example sleepers ;;
    product_reorder) with mariadb -- example product_reorder ;;
    transaction_fanout)
        with postgresql -- example transaction_fanout --only 'when_all_settled, one connection' \
            --only 'separate connections, rollback on another' --only 'a transaction per connection, one fails'
        ;;
    favorite_summoner)
        with --round-trip 50ms mariadb redis -- example favorite_summoner --only 'new favourite, before' \
            --only 'new favourite, before, autocommit' --only 'new favourite, after'
        ;;
    favorite_people)
        with dynamodb -- example favorite_people --writes 20 --only 'revision and condition, all at once' \
            --only 'revision and condition, 4 at once' --only 'revision and condition, one at a time'
        ;;
    connections)
        with mariadb -- example connections --queries 32 --only 'pool of 1' --only 'pool of 4' --only 'pool of 32'
        ;;
    transaction_retry) with --round-trip 50ms mariadb -- example transaction_retry ;;
    esac
    mv "$work/$name.svg" "docs/pictures/$name.svg"
done
