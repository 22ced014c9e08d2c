// SPDX-License-Identifier: BSL-1.0
#pragma once
// Measures a real server: how long a call takes, and how many calls at once it takes to reach its highest rate.

#include "endpoint_server.hpp"
#include "measured.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>

namespace lab {

// Told of each step of the probe: so many calls in flight, so many served per second.
using probe_step = std::function<void(std::size_t window, double per_second)>;

// First calls one after another, for their times: 400, or as many as there are in 3 s, at least 20. Then windows of 2, 4,
// 8 … up to the number of connections, each twice, until two in a row were hardly better than the best. The capacity is,
// by Little's law, the highest rate times the mean time. Throws std::runtime_error where a call fails that is alone.
boost::asio::awaitable<measured> measure(server& of, probe_step tell);

} // namespace lab
