// SPDX-License-Identifier: BSL-1.0
#pragma once

// All of fanout.

#include <fanout/concepts.hpp>
#include <fanout/error.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/named.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/options.hpp>
#include <fanout/outcome.hpp>
#include <fanout/retry/backoff.hpp>
#include <fanout/retry/policy.hpp>
#include <fanout/retry/retried.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/version.hpp>
#include <fanout/when_all.hpp>
#include <fanout/when_all_settled.hpp>
