// SPDX-License-Identifier: BSL-1.0
#include "run_with_clock.hpp"

#include <chrono>

namespace lab {

template boost::asio::awaitable<run_result> run_strategy<std::chrono::steady_clock>(strategy, workload,
                                                                                    endpoint&);

} // namespace lab
