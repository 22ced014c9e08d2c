// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a strategy calls: a simulated backend, or a real one.

#include <fanout/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/outcome/boost_result.hpp>

#include <cstddef>
#include <cstdint>

namespace lab {

// Fulfilled, or the error that it was rejected with. A call may throw as well; an answer costs less.
using answer = boost::outcome_v2::boost_result<void>;

class endpoint {
public:
    endpoint() = default;
    endpoint(endpoint const&) = delete;
    endpoint& operator=(endpoint const&) = delete;
    virtual ~endpoint() = default;

    // One attempt (1 is the first) for this input. It heeds terminal cancellation.
    virtual boost::asio::awaitable<answer> call(std::size_t input, std::uint32_t attempt) = 0;

    // The error says that there was too much to do: adaptive limits and retry budgets are told.
    virtual bool is_overload(fanout::error_code const& error) const noexcept = 0;
};

} // namespace lab
