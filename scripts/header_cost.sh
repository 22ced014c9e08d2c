#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# scripts/header_cost.sh [--ratio | --list | --instructions] [--pairs N] [--include FOLDER] [--at-most X]: what
# `#include <fanout.hpp>` costs who compiles it: the compiler's time for a unit that includes it, beside that for one which
# includes just the headers of Boost that fanout's own headers include.
#   --ratio           prints the ratio alone, and leaves it to whoever asked to judge it: exit status 0
#   --list            prints the second unit: who includes what is asked of the preprocessor, so it is what is used
#   --instructions    counts the compiler's instructions by callgrind instead of its time; they repeat, and take minutes
#   --pairs N         compiles the two in turn N times (default 9) and takes the fastest of each; where the ratio is above
#                     the bound, up to three times as often again
#   --include FOLDER  the folder that fanout.hpp is in (default include)
#   --at-most X       the bound (default 1.15)
# CXX (default g++) compiles, with CXXFLAGS (default -std=c++20 -O0). The time is the processor's, in user mode. What else
# the machine does can only add to it, and adds most to the larger unit: so it is the least of several that tells.
# Exit status 1 where the ratio is above the bound or something does not compile, 2 where an argument is wrong.
set -euo pipefail
shopt -s inherit_errexit

usage() {
    printf '%s: %s\nusage: %s [--ratio | --list | --instructions] [--pairs N] [--include FOLDER] [--at-most X]\n' \
        "${0##*/}" "$1" "${0##*/}" >&2
    exit 2
}
fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
what=report measure=time pairs=9 include=$root/include at_most=1.15
while [ $# -gt 0 ]; do
    case $1 in
    --ratio) what=ratio ;;
    --list) what=list ;;
    --instructions) measure=instructions ;;
    --pairs | --include | --at-most)
        [ $# -gt 1 ] || usage "$1 needs a value"
        case $1 in
        --pairs) pairs=$2 ;;
        --include) include=$2 ;;
        --at-most) at_most=$2 ;;
        esac
        shift
        ;;
    *) usage "what is '$1'?" ;;
    esac
    shift
done
[[ $pairs =~ ^[1-9][0-9]{0,3}$ ]] || usage "--pairs takes a number from 1 on, not '$pairs'"
[[ $at_most =~ ^[0-9]+(\.[0-9]+)?$ ]] || usage "--at-most takes a number, not '$at_most'"
[ -f "$include/fanout.hpp" ] || usage "there is no fanout.hpp in '$include'"
include=$(cd "$include" && pwd)

compiler=${CXX:-g++}
command -v "$compiler" >/dev/null || fail "there is no compiler '$compiler': scripts/setup.sh installs one, or set CXX"
[ $measure = time ] || command -v valgrind >/dev/null || fail "there is no valgrind: scripts/setup.sh bench installs it"
read -ra flags <<<"${CXXFLAGS:--std=c++20 -O0}"
flags+=("-I$include")

units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
with=$units/with_fanout.cpp without=$units/without.cpp
echo '#include <fanout.hpp>' >"$with"

run() {
    local said
    said=$("$@" 2>&1 >/dev/null) || fail "this failed: $*"$'\n'"$said"
}

# -dI keeps the #include lines that are in force, also of what has been included before; the line markers before them say
# whose they are.
run "$compiler" "${flags[@]}" -E -dI "$with" -o "$units/preprocessed"
awk -v ours="\"$include/fanout" '
    /^# [0-9]+ "/ { mine = index($3, ours) == 1; next }
    mine && /^[ \t]*#[ \t]*include[ \t]*<boost\// { match($0, /<[^>]*>/); print "#include " substr($0, RSTART, RLENGTH) }
' "$units/preprocessed" | LC_ALL=C sort -u >"$without"
[ -s "$without" ] || fail "the headers in $include/fanout include none of Boost's"
if [ $what = list ]; then
    cat "$without"
    exit
fi

compile() { run "$compiler" "${flags[@]}" -c "$1" -o "$units/object"; }

cost() { # <unit>: milliseconds of user time, or instructions, into $costs
    if [ $measure = instructions ]; then
        rm -f "$units"/counted.*
        run valgrind --tool=callgrind --trace-children=yes --callgrind-out-file="$units/counted.%p" \
            "$compiler" "${flags[@]}" -c "$1" -o "$units/object"
        costs=$(awk '/^totals:/ { all += $2 } END { printf "%d", all }' "$units"/counted.*)
    else
        local TIMEFORMAT='%3U'
        { time compile "$1" 2>&3; } 3>&2 2>"$units/time"
        costs=$(tr -d . <"$units/time")
        costs=$((10#$costs))
    fi
    [ "$costs" -gt 0 ] || fail "could not measure what $1 takes"
}

batches=4
[ $measure = time ] || pairs=1 batches=1
compile "$with" # once unmeasured: whether it compiles, and the files are in memory then
compile "$without"
above() { awk -v ratio="$1" -v most="$at_most" 'BEGIN { exit !(ratio > most) }'; }
measured=0
for ((batch = 0; batch < batches; ++batch)); do
    for ((pair = 0; pair < pairs; ++pair)); do
        if [ $((pair % 2)) -eq 0 ]; then
            cost "$with" && ours=$costs
            cost "$without" && theirs=$costs
        else
            cost "$without" && theirs=$costs
            cost "$with" && ours=$costs
        fi
        echo "$ours $theirs"
    done >>"$units/costs"
    measured=$((measured + pairs))
    ratio=$(awk 'NR == 1 || $1 < with { with = $1 } NR == 1 || $2 < without { without = $2 }
                 END { printf "%.3f", with / without }' "$units/costs")
    above "$ratio" || break
done
if [ $what = ratio ]; then
    echo "$ratio"
    exit
fi
if [ $measure = time ]; then
    printf 'fastest of %d, %s %s\n' "$measured" "$compiler" "${CXXFLAGS:--std=c++20 -O0}"
else
    printf 'instructions of %s %s\n' "$compiler" "${CXXFLAGS:--std=c++20 -O0}"
fi
printf '%-52s %8s\n' 'a unit that includes' 'ratio'
printf '%-52s %8s\n' "the $(wc -l <"$without") headers of Boost that fanout includes" 1.000
printf '%-52s %8s\n' 'fanout.hpp' "$ratio"
if above "$ratio"; then
    echo "MISS: fanout.hpp takes more than $at_most times what the headers of Boost take"
    exit 1
fi
echo "ok: fanout.hpp takes at most $at_most times what the headers of Boost take"
