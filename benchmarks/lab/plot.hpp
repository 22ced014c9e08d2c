// SPDX-License-Identifier: BSL-1.0
#pragma once
// The lab's picture: goodput and the p99 of a child against the limit, drawn by gnuplot as SVG. The same points make the
// same bytes, with the same gnuplot.

#include <chrono>
#include <string>
#include <vector>

namespace lab {

struct plot_point {
    std::string series;           // points of the same series are joined by a line; of none, if it is empty
    std::string name;             // of a point without a series, in the legend: an adaptive limit, a rate
    double limit;                 // how many in flight: the window; of what has none, the most there were
    double goodput;               // calls that succeeded, per second
    std::chrono::nanoseconds p99; // of a child
};

// gnuplot's commands, the numbers among them.
std::string plot_commands(std::vector<plot_point> const& points, std::string const& title,
                          std::string const& file);

// Throws std::runtime_error where gnuplot is not installed: to be asked before anything is measured.
void require_gnuplot();

// Writes FILE by gnuplot, and waits for it: not while an event loop runs. Throws std::runtime_error where it cannot.
void draw(std::vector<plot_point> const& points, std::string const& title, std::string const& file);

} // namespace lab
