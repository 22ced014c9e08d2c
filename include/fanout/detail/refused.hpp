// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a wrong call yields, so that the one error which says what is wrong is not followed by others.

#include <boost/asio/async_result.hpp>

#include <exception>
#include <utility>

namespace fanout::detail {

/// In place of any result.
struct any_result {
    template <class T>
    operator T() const; // never called: the program does not compile
};

/// In place of an operation.
struct refused {
    using signature = void(std::exception_ptr, any_result);

    template <boost::asio::completion_token_for<signature> Token>
    auto operator()(Token&& token) const {
        return boost::asio::async_initiate<Token, signature>([](auto&&...) {}, token);
    }
};

} // namespace fanout::detail
