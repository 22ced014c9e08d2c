// SPDX-License-Identifier: BSL-1.0
#pragma once
// What goes into a statement of PostgreSQL as a parameter, and what comes out of it: all of it as text.

#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace adapters {

struct postgres_result {
    std::vector<std::vector<std::optional<std::string>>> rows; // as text; NULL is nullopt
    std::uint64_t affected = 0;                                // rows inserted, updated, deleted or selected
};

namespace detail {

// Numbers, bool, and what a std::string is made from; std::nullopt and empty optionals are NULL.
template <class T>
std::optional<std::string> as_text(T const& value) {
    if constexpr (std::is_same_v<T, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::is_arithmetic_v<T>) {
        std::array<char, 64> digits;
        return std::string(digits.data(),
                           std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
    } else {
        std::string text(value);
        if (text.find('\0') != std::string::npos)
            throw std::invalid_argument("a text for PostgreSQL holds no zero byte");
        return text;
    }
}

inline std::optional<std::string> as_text(std::nullopt_t) { return std::nullopt; }

template <class T>
std::optional<std::string> as_text(std::optional<T> const& value) {
    return value ? as_text(*value) : std::nullopt;
}

inline postgres_result read_result(PGresult* result) {
    postgres_result out;
    std::string_view const affected = PQcmdTuples(result);
    std::from_chars(affected.data(), affected.data() + affected.size(), out.affected);
    for (int row = 0; row < PQntuples(result); ++row) {
        auto& cells = out.rows.emplace_back();
        for (int column = 0; column < PQnfields(result); ++column) {
            auto& cell = cells.emplace_back();
            if (!PQgetisnull(result, row, column))
                cell.emplace(PQgetvalue(result, row, column),
                             static_cast<std::size_t>(PQgetlength(result, row, column)));
        }
    }
    return out;
}

} // namespace detail
} // namespace adapters
