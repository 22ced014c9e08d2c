# SPDX-License-Identifier: BSL-1.0
#
# What the plots have in common. They read `data`, the results.tsv of scripts/bench.sh, with the columns
# workload, contender, size, metric, value and ratio; they write `output_file`, or nothing where their workload
# was not measured; and they run in the repository's root, as scripts/bench.sh does:
#
#   gnuplot -e "data='results.tsv'; output_file='width.svg'" benchmarks/plots/width.gnuplot

set datafile separator "\t"
set terminal svg size 900,520 dynamic noenhanced font "sans-serif,14" background "white"

set border 3 linewidth 1 linecolor rgb "#57606a"
set tics nomirror textcolor rgb "#1f2328"
set grid linewidth 1 linecolor rgb "#d8dee4"
set key outside right center Left reverse samplen 2 spacing 1.3 textcolor rgb "#1f2328"

# The contenders, in the order of the key, and what each is called there. Ours are blue or green and drawn
# boldly, the others are not; `concrete` are those that know their executor's type. The colours are, but for the
# browns and greys, Okabe and Ito's, which can be told apart without red or green.
contenders = "parallel_group channel operators cobalt_gather cobalt_join co_spawn workers post \
              fanout_settled fanout_concrete fanout_composed fanout_operations loop"
titles = "make_parallel_group|channel as semaphore|awaitable_operators|Cobalt gather|Cobalt join|co_spawn, counted|workers|post, counted|\
fanout: awaitables|fanout: awaitables, concrete|fanout: composed, concrete|fanout: operations, concrete|plain loop, the floor"
colours = "#d55e00 #e69f00 #cc79a7 #8c564b #c49c94 #57606a #57606a #9198a1 #0072b2 #56b4e9 #117733 #009e73 #1f2328"
points = "4 6 8 12 3 10 10 2 5 7 13 9 0"

index_of(contender) = sum [i = 1:words(contenders)] (word(contenders, i) eq contender ? i : 0)
title_of(contender) = system("printf %s '" . titles . "' | cut -d '|' -f " . index_of(contender))
colour_of(contender) = word(colours, index_of(contender))
point_of(contender) = int(word(points, index_of(contender)))
is_ours(contender) = contender[1:6] eq "fanout"

# The rows of one contender: size, value, ratio.
rows(workload, contender, metric) = sprintf("< awk -F '\\t' -v OFS='\\t' \
    '$1 == \"%s\" && $2 == \"%s\" && $4 == \"%s\" { print $3, $5, $6 }' '%s'", workload, contender, metric, data)

# Those of the contenders above that were measured.
measured(workload, metric) = system(sprintf("for each in %s; do \
    awk -F '\\t' -v c=$each '$1 == \"%s\" && $2 == c && $4 == \"%s\" { print c; exit }' '%s'; done", contenders, workload, metric, data))
but_loop(found) = system("printf '%s\n' '" . found . "' | grep -vx loop")
