// SPDX-License-Identifier: BSL-1.0
#include "endpoint_compare.hpp"

#include "text.hpp"

#include <algorithm>
#include <functional>
#include <iomanip>
#include <ostream>
#include <utility>

namespace lab {

namespace {

// By how much a is better than b: 0.5 is half as much again, -0.5 the other way round.
double better_by(double a, double b) {
    auto const least = (std::min)(a, b), most = (std::max)(a, b);
    if (most <= 0)
        return 0;
    auto const apart = least > 0 ? most / least - 1 : 1e9;
    return a >= b ? apart : -apart;
}

template <class Goodput>
std::size_t rank(std::vector<compared> const& rows, std::size_t row, double tolerance, Goodput of) {
    auto const ahead = std::ranges::count_if(rows, [&](compared const& other) {
        return better_by(std::invoke(of, other), std::invoke(of, rows[row])) > tolerance;
    });
    return static_cast<std::size_t>(ahead) + 1;
}

} // namespace

rankings::rankings(std::vector<compared> rows, double tolerance)
    : rows_(std::move(rows)), tolerance_(tolerance) {
    std::ranges::sort(rows_, std::greater<>(), [](compared const& c) { return std::pair(c.real, c.name); });
    auto const order = [this](double by) { return by > tolerance_ ? 1 : by < -tolerance_ ? -1 : 0; };
    for (std::size_t a = 0; a < rows_.size(); ++a) {
        for (std::size_t b = a + 1; b < rows_.size(); ++b) {
            auto const real = better_by(rows_[a].real, rows_[b].real);
            auto const simulated = better_by(rows_[a].simulated, rows_[b].simulated);
            auto const apart = (std::max)(real, simulated < 0 ? -simulated : simulated);
            if (order(real) == order(simulated))
                ++(order(real) == 0 ? equal_ : same_order_);
            else if (order(real) * order(simulated) == 0 && apart <= 2 * tolerance_)
                ++too_close_;
            else
                disagreements_.push_back(order(real) == 0 && simulated < 0 ? pair{b, a} : pair{a, b});
        }
    }
}

std::size_t rankings::rank_real(std::size_t row) const {
    return rank(rows_, row, tolerance_, &compared::real);
}

std::size_t rankings::rank_simulated(std::size_t row) const {
    return rank(rows_, row, tolerance_, &compared::simulated);
}

void print(std::ostream& out, rankings const& c) {
    std::size_t width = 8;
    for (auto const& row : c.rows())
        width = (std::max)(width, row.name.size());
    auto const column = static_cast<int>(width);
    out << std::left << std::setw(column) << "strategy" << std::right << std::setw(6) << "rank"
        << std::setw(11) << "real" << std::setw(6) << "rank" << std::setw(11) << "simulated"
        << "   goodput per second\n";
    for (std::size_t i = 0; i < c.rows().size(); ++i) {
        auto const& row = c.rows()[i];
        out << std::left << std::setw(column) << row.name << std::right << std::setw(6)
            << std::to_string(c.rank_real(i)) << std::setw(11) << number_text(row.real) << std::setw(6)
            << std::to_string(c.rank_simulated(i)) << std::setw(11) << number_text(row.simulated) << '\n';
    }
    auto const percent = number_text(c.tolerance() * 100) + " %";
    auto const all = c.same_order() + c.equal() + c.too_close() + c.disagreements().size();
    out << "Of " << std::to_string(all) << " pairs of strategies, " << std::to_string(c.same_order())
        << " stand in the same order in both, " << std::to_string(c.equal()) << " are equal in both (within "
        << percent << "), " << std::to_string(c.too_close())
        << " are too close to tell (equal in one, within twice that in the other).\n";
    for (auto const& [a, b] : c.disagreements()) {
        auto const &first = c.rows()[a], &second = c.rows()[b];
        out << "They disagree on " << first.name << " and " << second.name << ": " << number_text(first.real)
            << " and " << number_text(second.real) << " per second in reality, "
            << number_text(first.simulated) << " and " << number_text(second.simulated)
            << " in the simulation.\n";
    }
    out << (c.agrees() ? "The simulation ranks the strategies as the server does.\n"
                       : "The simulation does NOT rank the strategies as the server does.\n");
}

} // namespace lab
