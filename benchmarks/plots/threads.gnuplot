# SPDX-License-Identifier: BSL-1.0
#
# How much sooner children that compute are done on several threads than in a loop on one.

load "benchmarks/plots/_style.gnuplot"

set title "Speed-up of children that compute for some 10 µs, on a pool of threads"
set xlabel "threads of the pool"
set ylabel "times as fast as a loop on one thread"
set logscale x 2
set xtics 1, 2
set yrange [0:*]

others = but_loop(measured("threads", "time"))
if (words(others) == 0) { exit }
set output output_file

stats rows("threads", word(others, 1), "time") using 1 nooutput name "sizes"
set xrange [0.9:sizes_max * 1.1]
plot x with lines title "as many times as threads" linecolor rgb "#9198a1" linewidth 1 dashtype 3, \
    1 with lines title title_of("loop") linecolor rgb colour_of("loop") linewidth 1.5 dashtype 2, \
    for [c in others] rows("threads", c, "time") using 1:(1 / $3) \
    with linespoints title title_of(c) linecolor rgb colour_of(c) pointtype point_of(c) pointsize 0.7 \
    linewidth (is_ours(c) ? 3 : 1.5)
