# SPDX-License-Identifier: BSL-1.0
#
# What each contender costs beside its floor, workload by workload: bars that begin at the floor.

load "benchmarks/plots/_style.gnuplot"

# A line for each: workload and variant, ratio, whether it is ours, name. The sweeps have plots of their own; of
# nested fan-outs one width is shown.
bars = sprintf("< awk -F '\\t' -v OFS='\\t' 'NR > 1 && $4 == \"instructions\" && $6 != \"-\" && $6 != \"1.0000\" && \
    ($1 ~ /^(window|ready|unlimited|pair|rejected)$/ || $1 == \"nested\" && $3 == 100) \
    { variant = $3 ~ /^[0-9]+$/ ? \"\" : \" @ \" $3; print $1 variant, $6, $2 ~ /^fanout/, $1 \": \" $2 variant }' '%s' | \
    sort -t '\t' -k1,1 -k2,2g", data)
if (system(bars[3:] . " | wc -l") == 0) { exit }
stats bars using 2 nooutput name "ratio"

set terminal svg size 900, 120 + 22 * ratio_records dynamic noenhanced font "sans-serif,14" background "white"
set output output_file
set title "Instructions per child, as many times those of the workload's floor"
set xlabel "times the floor (logarithmic)"
set logscale x
set xtics ("0.5" 0.5, "the floor" 1, "2" 2, "5" 5, "10" 10, "20" 20, "50" 50)
set xrange [ratio_min < 0.5 ? ratio_min * 0.8 : 0.4 : ratio_max * 1.6]
set yrange [ratio_records - 0.3 : -0.7]
set grid noytics
set ytics scale 0
unset key
set arrow from 1, graph 0 to 1, graph 1 nohead front linewidth 1.5 linecolor rgb colour_of("loop")

plot bars using (1):0:(1):2:($0 - 0.36):($0 + 0.36):ytic(4) with boxxyerror fillstyle solid noborder \
        linecolor rgb colour_of("co_spawn"), \
    bars using (1):($3 == 1 ? $0 : 1 / 0):(1):2:($0 - 0.36):($0 + 0.36) with boxxyerror fillstyle solid noborder \
        linecolor rgb colour_of("fanout_settled"), \
    bars using ($2 < 1 ? 1 : $2):0:(sprintf("%.2f", $2)) with labels left offset 0.5, 0 textcolor rgb "#1f2328"
