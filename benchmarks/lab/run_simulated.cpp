// SPDX-License-Identifier: BSL-1.0
#include "run_with_clock.hpp"
#include "simulated_timer.hpp"

namespace lab {

template boost::asio::awaitable<run_result> run_strategy<simulated_clock>(strategy, workload, endpoint&);

} // namespace lab
