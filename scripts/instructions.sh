# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash
# Sourced, in the repository's root, by the scripts that count instructions: a program of benchmarks/ runs under callgrind
# at N and at 2 N, and the difference divided by N is what one more of what it does costs. That hardly depends on N, and
# not on what else the machine does. What the kernel does is not in it.
shopt -s inherit_errexit # a measurement that fails is no 0

# fanout_size <N>: N, or an end with status 2 where that is no positive number.
fanout_size() {
    case $1 in
    *[!0-9]* | '' | 0*)
        echo "${0##*/}: N must be a positive number, not '$1'" >&2
        return 2
        ;;
    esac
    echo "$1"
}

# fanout_build_benchmark <program>: installs what is missing, builds it optimised, and has it measured from then on.
fanout_build_benchmark() {
    scripts/setup.sh bench
    cmake --preset release -B build/bench -DFANOUT_BUILD_TESTS=OFF -DFANOUT_BUILD_EXAMPLES=OFF >/dev/null
    cmake --build build/bench --target "$1" --parallel "$(nproc)" >/dev/null
    fanout_program=build/bench/benchmarks/$1
}

fanout_instructions() { # <what> <size>
    local said
    if ! said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$fanout_program" "$1" "$2" 2>&1) ||
        ! awk '/Collected/ { print $4; found = 1 } END { exit !found }' <<<"$said"; then
        printf '%s: could not count the instructions of %s %s:\n%s\n' "${0##*/}" "$1" "$2" "$said" >&2
        return 1
    fi
}

# fanout_each <what> <N>: the instructions of each of N.
fanout_each() {
    local one two
    one=$(fanout_instructions "$1" "$2")
    two=$(fanout_instructions "$1" $((2 * $2)))
    echo $(((two - one) / $2))
}

# fanout_ratio <a> <b>: a / b, with three decimals.
fanout_ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
