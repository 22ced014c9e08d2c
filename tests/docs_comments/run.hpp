// SPDX-License-Identifier: BSL-1.0
#pragma once

// Runs the code of a page, on a context of its own.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

/// Rethrows what it threw.
inline void run(boost::asio::awaitable<void> what) {
    boost::asio::io_context context(1);
    std::exception_ptr thrown;
    boost::asio::co_spawn(context, std::move(what), [&](std::exception_ptr e) { thrown = e; });
    context.run();
    if (thrown) {
        std::rethrow_exception(thrown);
    }
}
