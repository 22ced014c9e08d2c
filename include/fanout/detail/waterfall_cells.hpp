// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the inputs of a row did over time, where a row stands for many: the share that ran, slept and waited, cell
// by cell along the time axis.

#include <fanout/detail/waterfall_axis.hpp>
#include <fanout/detail/waterfall_rows.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace fanout::detail::waterfall {

/// How high each kind of doing is drawn in some columns that follow one another.
struct row_cell {
    std::size_t from, until; ///< columns
    std::array<centipixel, doings> height{};
    bool runs = false, sleeps = false; ///< at least one did, also where its share is too small to be drawn

    std::size_t shapes() const noexcept {
        return static_cast<std::size_t>(
            std::count_if(height.begin(), height.end(), [](auto h) { return h > 0; }));
    }
};

/// The sums of each kind of doing in each column of a row; 1: all of its inputs, all the time.
class row_shares {
public:
    using shares = std::array<double, doings>;
    struct column {
        shares share{};
        bool runs = false, sleeps = false; ///< at least one did, however short it was
    };

    row_shares(input_rows const& rows, input_row const& row, since_start span, std::size_t columns)
        : columns_(columns), width_(static_cast<double>(span.count()) / static_cast<double>(columns)) {
        for (auto rest = row.attempts; !rest.empty();) {
            auto const input = of_first_input(rest);
            rest = rest.subspan(input.size());
            if (!rows.keeps(input.front().index)) {
                continue; // kept for what it is: it would count for too much
            }
            for_each_phase(input, [&](doing what, since_start from, since_start until, attempt const&) {
                add(what, static_cast<double>(from.count()), static_cast<double>(until.count()),
                    width_ * static_cast<double>(row.kept));
            });
        }
    }

    /// Cells of columns that differ by less than `tolerance`, each as high as its columns are on average, so that
    /// the area stays what it is.
    std::vector<row_cell> cells(centipixel height, centipixel tolerance) const {
        std::vector<row_cell> out;
        auto const allowed = static_cast<double>(tolerance) / static_cast<double>(height);
        for (std::size_t from = 0; from < columns_.size();) {
            auto least = columns_[from].share, most = least, sum = least;
            auto until = from + 1;
            for (; until < columns_.size() && columns_[until].runs == columns_[from].runs &&
                   columns_[until].sleeps == columns_[from].sleeps &&
                   alike(columns_[until].share, least, most, allowed);
                 ++until) {
                for (std::size_t k = 0; k < doings; ++k) {
                    sum[k] += columns_[until].share[k];
                }
            }
            if (auto const cell = drawn(from, until, sum, height);
                cell.runs || cell.sleeps || cell.shapes() > 0) {
                out.push_back(cell);
            }
            from = until;
        }
        return out;
    }

private:
    void add(doing what, double from, double until, double whole) {
        auto const k = static_cast<std::size_t>(what);
        auto const column_of = [this](double t) {
            return t > 0 ? (std::min)(static_cast<std::size_t>(t / width_), columns_.size() - 1) : 0;
        };
        auto const last = column_of(until);
        for (auto i = column_of(from); i <= last; ++i) {
            auto const left = width_ * static_cast<double>(i);
            auto const right = width_ * static_cast<double>(i + 1);
            columns_[i].share[k] +=
                (std::max)((std::min)(until, right) - (std::max)(from, left), 0.0) / whole;
            columns_[i].runs |= what < doing::sleeping;
            columns_[i].sleeps |= what == doing::sleeping;
        }
    }

    /// Whether `c` may join; then widens the range.
    static bool alike(shares const& c, shares& least, shares& most, double allowed) noexcept {
        auto low = least, high = most;
        for (std::size_t k = 0; k < doings; ++k) {
            low[k] = (std::min)(low[k], c[k]);
            high[k] = (std::max)(high[k], c[k]);
            if (high[k] - low[k] > allowed) {
                return false;
            }
        }
        least = low;
        most = high;
        return true;
    }

    row_cell drawn(std::size_t from, std::size_t until, shares const& sum, centipixel height) const {
        row_cell cell{from, until, {}, columns_[from].runs, columns_[from].sleeps};
        // Each edge is rounded, not each height: so what is stacked is never higher than the row.
        double share = 0;
        centipixel below = 0;
        for (std::size_t k = 0; k < doings; ++k) {
            share += sum[k] / static_cast<double>(until - from);
            auto const edge = std::min<centipixel>(std::llround(share * static_cast<double>(height)), height);
            cell.height[k] = edge - below;
            below = edge;
        }
        return cell;
    }

    std::vector<column> columns_;
    double width_; ///< of a column, in nanoseconds
};

/// The cells of all rows of a panel, joined until they are few enough to be drawn by at most `most` shapes.
inline std::vector<std::vector<row_cell>> cells_of(input_rows const& rows, time_axis const& axis,
                                                   centipixel height, std::size_t most) {
    std::vector<row_shares> shares;
    shares.reserve(rows.rows().size());
    for (auto const& row : rows.rows()) {
        shares.emplace_back(rows, row, axis.span, axis.columns());
    }
    for (centipixel tolerance = 20;; tolerance *= 2) { // a fifth of a pixel at first: nobody sees that
        std::vector<std::vector<row_cell>> out;
        std::size_t shapes = 0;
        for (auto const& s : shares) {
            for (auto const& cell : out.emplace_back(s.cells(height, tolerance))) {
                shapes += cell.shapes();
            }
        }
        if (shapes <= most || tolerance > height) {
            return out;
        }
    }
}

} // namespace fanout::detail::waterfall
