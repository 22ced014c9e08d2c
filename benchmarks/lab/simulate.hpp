// SPDX-License-Identifier: BSL-1.0
#pragma once
// Runs a strategy against the simulated backend, in virtual time.

#include "run_result.hpp"
#include "run_strategy.hpp"
#include "simulated_backend.hpp"
#include "strategy.hpp"

namespace lab {

// The same arguments, the same result. It ends early after `interrupt_simulations()`: the result says `interrupted`.
run_result simulate(strategy const& how, workload const& work, backend_options const& backend);

// Safe in a signal handler. It stays so: further calls end as soon as they can.
void interrupt_simulations() noexcept;
bool simulations_are_interrupted() noexcept;

} // namespace lab
