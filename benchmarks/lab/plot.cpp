// SPDX-License-Identifier: BSL-1.0
#include "plot.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <tuple>

namespace lab {

namespace {

// As gnuplot reads it: nothing but a quote means anything between single quotes, and a newline would end the command.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (char const c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += ' ';
        else
            out += c == '\'' ? std::string("''") : std::string(1, c);
    }
    return out + '\'';
}

// Not by <<, which follows the locale.
std::string number(double value) {
    std::array<char, 64> text;
    auto const end =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 6);
    return std::string(text.data(), end.ptr);
}

double milliseconds(std::chrono::nanoseconds d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

struct span {
    double least = std::numeric_limits<double>::infinity(), most = 0;

    double with(double value) {
        least = (std::min)(least, value);
        most = (std::max)(most, value);
        return value;
    }
};

struct drawn_series {
    std::string title;
    bool line;
    std::vector<plot_point> points;
};

// Those with a line first, each in the order of its limits.
std::vector<drawn_series> group(std::vector<plot_point> const& points) {
    std::vector<drawn_series> out;
    for (auto const& p : points) {
        if (p.series.empty())
            continue;
        auto found = std::ranges::find(out, p.series, &drawn_series::title);
        if (found == out.end())
            found = out.insert(found, {p.series, true, {}});
        found->points.push_back(p);
    }
    for (auto& series : out)
        std::ranges::sort(series.points, {},
                          [](plot_point const& p) { return std::tuple(p.limit, p.goodput, p.p99); });
    for (auto const& p : points)
        if (p.series.empty())
            out.push_back({p.name, false, {p}});
    return out;
}

// Told apart by people who do not see all colours, too: by Okabe and Ito.
constexpr std::array colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
// gnuplot's filled shapes: circle, square, triangle, upside down, diamond, pentagon. They become smaller in the order in
// which they are drawn, so that none hides another at the same place.
constexpr std::array shapes{7, 5, 9, 11, 13, 15};
constexpr std::array sizes{"1.9", "1.7", "1.5", "1.3", "1.1", "0.9", "0.7"};

// `plot` of one column of all series. The legend stands beside the first.
std::string curves(std::vector<drawn_series> const& all, int column, bool legend) {
    std::string out = "plot ";
    std::size_t marks = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto const* const colour = colours[i % colours.size()];
        out += i == 0 ? "" : ", \\\n     ";
        out += "$s" + std::to_string(i) + " using 1:" + std::to_string(column) + " with " +
               (all[i].line ? std::string("linespoints linewidth 2 pointtype 7 pointsize 0.5")
                            : "points pointsize " + std::string(sizes[marks++ % sizes.size()]) +
                                  " pointtype " + std::to_string(shapes[i % shapes.size()])) +
               " linecolor rgb '" + colour + "' " +
               (legend ? "title " + quoted(all[i].title) : std::string("notitle"));
    }
    return out + '\n';
}

} // namespace

std::string plot_commands(std::vector<plot_point> const& points, std::string const& title,
                          std::string const& file) {
    auto const all = group(points);
    // The ranges are given: gnuplot warns where it finds one empty.
    span limits, goodputs, times;
    std::size_t longest = 0;
    std::string out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        longest = (std::max)(longest, all[i].title.size());
        out += "$s" + std::to_string(i) + " << EOD\n";
        for (auto const& p : all[i].points) {
            auto const limit = limits.with((std::max)(p.limit, 1.0));
            auto const goodput = goodputs.with(p.goodput);
            auto const time = times.with((std::max)(milliseconds(p.p99), 1e-3));
            out += number(limit) + ' ' + number(goodput) + ' ' + number(time) + '\n';
        }
        out += "EOD\n";
    }
    auto const range = [](double from, double to) { return '[' + number(from) + ':' + number(to) + "]\n"; };
    // To gnuplot "| a" and "< a" are commands, "./| a" is a file.
    auto const target = quoted(file.starts_with('/') ? file : "./" + file);
    out += "set terminal svg size 900,640 font 'sans-serif,13' background rgb 'white'\n"
           "set output " +
           target +
           "\n"
           "set termoption noenhanced\n"
           "set multiplot layout 2,1 title " +
           quoted(title) +
           "\n"
           "set logscale x\nset format x '%.0f'\nset grid linecolor rgb '#dddddd'\n"
           "set lmargin 11\nset rmargin " +
           std::to_string(longest + 9) +
           "\n"
           "set xrange " +
           range(limits.least / 1.2, limits.most * 1.2) +
           "set key outside right top Left reverse samplen 2\n"
           "set ylabel 'goodput, per second'\nset bmargin 1.5\n"
           "set yrange " +
           range(0, goodputs.most > 0 ? goodputs.most * 1.08 : 1);
    out += curves(all, 2, true);
    out += "set key off\nset logscale y\nset format y '%g'\n"
           "set xlabel 'limit: calls in flight'\nset ylabel 'p99 of a child, ms'\nset bmargin 3.5\n"
           "set tmargin 0.5\nset yrange " +
           range(times.least / 2, times.most * 2);
    out += curves(all, 3, false);
    return out + "unset multiplot\nunset output\n";
}

void require_gnuplot() {
    if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) // NOLINT: a command without data
        throw std::runtime_error("a plot needs gnuplot, which is not installed (on Debian: gnuplot-nox)");
}

void draw(std::vector<plot_point> const& points, std::string const& title, std::string const& file) {
    if (points.empty())
        throw std::runtime_error("there is nothing to draw in " + file);
    // gnuplot would draw on standard output instead.
    if (!std::ofstream(file, std::ios::app))
        throw std::runtime_error("cannot write " + file + ": " + std::generic_category().message(errno));
    std::signal(SIGPIPE, SIG_IGN); // gnuplot may end before it has read all
    auto* const gnuplot = popen("gnuplot", "w");
    if (gnuplot == nullptr)
        throw std::runtime_error("cannot start gnuplot");
    std::fputs(plot_commands(points, title, file).c_str(), gnuplot);
    if (pclose(gnuplot) != 0)
        throw std::runtime_error("gnuplot could not draw " + file);
}

} // namespace lab
