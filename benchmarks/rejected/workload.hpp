// SPDX-License-Identifier: BSL-1.0
#pragma once

// Half of the children fail, and the fan-out tells what became of each; no limit. They fail in three ways:
// `exception`, they throw; `result`, they return an Outcome; `operation`, they are operations that complete
// with an error code.

#include "../support/children.hpp"

#include <boost/asio/error.hpp>
#include <boost/outcome/boost_result.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <string>

namespace rejected {

namespace asio = boost::asio;
using namespace bench::children;
using boost::system::error_code;
using result = boost::outcome_v2::boost_result<void>;

inline error_code answer(std::size_t i) {
    return i % 2 == 0 ? error_code() : error_code(asio::error::connection_refused);
}

inline asio::awaitable<void> throwing(std::size_t i) {
    co_await asio::post(asio::deferred);
    if (auto const e = answer(i)) {
        throw boost::system::system_error(e);
    }
}

inline asio::awaitable<result> returning(std::size_t i) {
    co_await asio::post(asio::deferred);
    if (auto const e = answer(i)) {
        co_return e;
    }
    co_return boost::outcome_v2::success();
}

/// Completes with `void(error_code)`.
inline auto completing(std::size_t i) {
    return asio::post(asio::deferred([i] { return asio::deferred.values(answer(i)); }));
}

/// Registers "rejected/<contender>@<way>". `FanOut(n)` is a coroutine that runs n children, and returns how
/// many of them were rejected.
template <auto FanOut>
struct way {
    way(std::string const& contender, std::string const& name) {
        bench::contender("rejected/" + contender + '@' + name, {.floor = "rejected/loop@" + name},
                         bench::one<checked>);
    }

private:
    using executor_type = typename decltype(FanOut(0))::executor_type;

    static asio::awaitable<void, executor_type> checked(std::size_t n) {
        auto const rejected = co_await FanOut(n);
        bench::require(rejected == n / 2, "half of them were rejected");
    }
};

} // namespace rejected
