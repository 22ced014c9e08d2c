# SPDX-License-Identifier: BSL-1.0
#
# What a child costs, by the width of its fan-out.

load "benchmarks/plots/_style.gnuplot"

set title "A child's instructions, by how many run at once (no limit); io_context(1)"
set xlabel "children in a fan-out"
set ylabel "instructions per child"
set logscale xy
set xtics ("1" 1, "10" 10, "100" 100, "1,000" 1000, "10,000" 10000, "100,000" 100000)
set xrange [0.8:125000]
set yrange [200:10000]
set ytics ("200" 200, "500" 500, "1,000" 1000, "2,000" 2000, "5,000" 5000, "10,000" 10000)

found = measured("width", "instructions")
if (words(found) == 0) { exit }
set output output_file
plot for [c in found] rows("width", c, "instructions") using 1:2 \
    with linespoints title title_of(c) linecolor rgb colour_of(c) pointtype point_of(c) pointsize 0.7 \
    linewidth (is_ours(c) ? 3 : 1.5) dashtype 1 + (c eq "loop")
