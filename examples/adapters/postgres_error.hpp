// SPDX-License-Identifier: BSL-1.0
#pragma once
// What PostgreSQL answers when it does not do what it was asked: SQLSTATEs as an error_code category.

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <charconv>
#include <string>
#include <string_view>

namespace adapters {

namespace detail {

// A SQLSTATE is five digits or capital letters: one number to the base of 36.
class sqlstate_category_type final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "sqlstate"; }
    std::string message(int value) const override {
        std::string state(5, '0');
        for (auto at = state.rbegin(); at != state.rend(); ++at, value /= 36)
            *at = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % 36];
        return "SQLSTATE " + state;
    }
};

} // namespace detail

// "42703" as an error_code, to compare with: outcome.error() == sqlstate("42703").
inline boost::system::error_code sqlstate(std::string_view five) {
    static detail::sqlstate_category_type const category;
    int value = 0;
    std::from_chars(five.data(), five.data() + five.size(), value, 36);
    return {value, category};
}

// What went wrong, with its SQLSTATE as the code; what() names host and port and says what the server said. It never
// holds the password. libpq has no SQLSTATE for what goes wrong on the way; then it is one of the standard's:
//   08001  could not connect or log in    08006  the connection was lost    08003  it is closed
class postgres_error : public boost::system::system_error {
public:
    postgres_error(std::string_view state, std::string const& what)
        : system_error(sqlstate(state)), what_(what + " (" + code().message() + ')') {}

    char const* what() const noexcept override { return what_.c_str(); }

private:
    std::string what_;
};

} // namespace adapters
