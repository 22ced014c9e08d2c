// SPDX-License-Identifier: BSL-1.0
#pragma once
// Whether a simulation ranks strategies as reality does.
//
// Two strategies are equal where their goodputs lie within the tolerance T of each other. Of a pair of strategies,
// reality and the simulation
//     agree             where they see the same order, or both see them equal,
//     do not tell       where one sees them equal, and the other apart by no more than 2 T,
//     disagree          where they see opposite orders, or one sees them equal and the other apart by more than 2 T.
// The rankings agree where no pair disagrees.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace lab {

struct compared {
    std::string name;
    double real;      // goodput, per second
    double simulated; // likewise
};

class rankings {
public:
    struct pair {
        std::size_t first,
            second; // rows; first is the better in reality, or in the simulation where equal there
    };

    rankings(std::vector<compared> rows, double tolerance);

    std::vector<compared> const& rows() const { return rows_; } // the best in reality first
    double tolerance() const { return tolerance_; }             // 0.1: 10 %
    std::size_t same_order() const { return same_order_; }      // pairs
    std::size_t equal() const { return equal_; }
    std::size_t too_close() const { return too_close_; }
    std::vector<pair> const& disagreements() const { return disagreements_; }
    bool agrees() const { return disagreements_.empty(); }

    // 1: none is better by more than the tolerance; n: n - 1 are.
    std::size_t rank_real(std::size_t row) const;
    std::size_t rank_simulated(std::size_t row) const;

private:
    std::vector<compared> rows_;
    double tolerance_;
    std::size_t same_order_ = 0, equal_ = 0, too_close_ = 0;
    std::vector<pair> disagreements_;
};

// Both rankings as a table, and a sentence on whether they agree.
void print(std::ostream& out, rankings const& c);

} // namespace lab
