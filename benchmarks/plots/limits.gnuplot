# SPDX-License-Identifier: BSL-1.0
#
# What a child costs, by the window that it runs in.

load "benchmarks/plots/_style.gnuplot"

set title "A child's instructions, by the limit (fan-outs of 16,384); io_context(1)"
set xlabel "limit: children in flight"
set ylabel "instructions per child"
set logscale x 4
set logscale y
set xtics ("1" 1, "4" 4, "16" 16, "64" 64, "256" 256, "1,024" 1024, "4,096" 4096)
set xrange [0.8:5000]
set yrange [200:10000]
set ytics ("200" 200, "500" 500, "1,000" 1000, "2,000" 2000, "5,000" 5000, "10,000" 10000)

found = but_loop(measured("limits", "instructions"))
if (words(found) == 0) { exit }
set output output_file

# The loop knows one window. What it costs is drawn as the floor of all.
stats rows("limits", "loop", "instructions") using 2 nooutput name "floor"
plot for [c in found] rows("limits", c, "instructions") using 1:2 \
    with linespoints title title_of(c) linecolor rgb colour_of(c) pointtype point_of(c) pointsize 0.7 \
    linewidth (is_ours(c) ? 3 : 1.5), \
    floor_mean with lines title title_of("loop") linecolor rgb colour_of("loop") linewidth 1.5 dashtype 2
