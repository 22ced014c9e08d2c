// SPDX-License-Identifier: BSL-1.0
#pragma once

// All of fanout, but `fanout/composed.hpp` (what it includes is needed by few), what writes for people
// (`fanout/observe/progress.hpp`, `recording.hpp`, `chrome_trace.hpp`, `waterfall.hpp`), and what tests use
// (`fanout/testing/`): these are included where they are used. What it costs to compile: `scripts/header_cost.sh`.

#include <fanout/concepts.hpp>
#include <fanout/error.hpp>
#include <fanout/limit/adaptive.hpp>
#include <fanout/limit/admission.hpp>
#include <fanout/limit/algorithm/aimd.hpp>
#include <fanout/limit/algorithm/gradient2.hpp>
#include <fanout/limit/algorithm/sample.hpp>
#include <fanout/limit/algorithm/vegas.hpp>
#include <fanout/limit/all_of.hpp>
#include <fanout/limit/feedback.hpp>
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/overload_if.hpp>
#include <fanout/limit/pool.hpp>
#include <fanout/limit/rate.hpp>
#include <fanout/limit/semaphore.hpp>
#include <fanout/limit/weighted.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/named.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/options.hpp>
#include <fanout/outcome.hpp>
#include <fanout/retry.hpp>
#include <fanout/retry/attempt.hpp>
#include <fanout/retry/backoff.hpp>
#include <fanout/retry/budget.hpp>
#include <fanout/retry/policy.hpp>
#include <fanout/retry/retried.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/version.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>
