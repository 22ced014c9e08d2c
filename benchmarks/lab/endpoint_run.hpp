// SPDX-License-Identifier: BSL-1.0
#pragma once
// Runs strategies against a real server: the server is prepared, and cleaned up whatever comes.

#include "endpoint_server.hpp"
#include "measured.hpp"
#include "run_result.hpp"
#include "run_strategy.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

namespace lab {

struct real_run {
    std::vector<strategy> strategies; // may be none
    workload work;
    std::size_t rounds = 1; // each runs all; of a strategy's results the one with the most goodput counts
    bool measures = false;  // first
    std::function<void(run_result const&)> tell;
    std::ostream* out = nullptr; // for what else there is to say
};

struct real_run_result {
    std::vector<run_result> results; // one for each strategy, unless it was interrupted
    std::optional<measured> times;
    int signal = 0; // that ended it
};

// Throws what kept the server from being used, and std::runtime_error where its table may be left over.
real_run_result run_against(boost::asio::io_context& io, server& to, real_run const& what);

} // namespace lab
