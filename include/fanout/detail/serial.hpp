// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which serial executor a fan-out runs on: the caller's own where it is serial already, else a strand over it.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 103200
#include <boost/asio/config.hpp>
#endif

#include <type_traits>

namespace fanout::detail {

namespace asio = boost::asio;

/// True for a context that was made for one thread: `io_context(1)`.
inline bool made_for_one_thread(asio::io_context& context) {
#if BOOST_ASIO_VERSION >= 103200
    return asio::config(context).get("scheduler", "concurrency_hint", 0) == 1;
#else
    // No public way before Asio 1.32 to read back what the context was made with.
    return asio::use_service<asio::detail::scheduler>(context).concurrency_hint() == 1;
#endif
}

template <class Executor>
inline constexpr bool is_strand = false;
template <class Inner>
inline constexpr bool is_strand<asio::strand<Inner>> = true;

template <class Executor>
inline constexpr bool is_io_context_executor = false;
template <class Allocator, auto Bits>
inline constexpr bool is_io_context_executor<asio::io_context::basic_executor_type<Allocator, Bits>> = true;

/// Whether children on this executor run one at a time as it stands.
template <class Executor>
bool is_serial(Executor const& ex) {
    if constexpr (is_strand<Executor>) {
        return true;
    } else if constexpr (is_io_context_executor<Executor>) {
        return made_for_one_thread(asio::query(ex, asio::execution::context));
    } else if constexpr (requires { ex.template target<asio::io_context::executor_type>(); }) {
        if (auto* io = ex.template target<asio::io_context::executor_type>()) {
            return is_serial(*io);
        }
        return ex.template target<asio::strand<asio::io_context::executor_type>>() != nullptr ||
               ex.template target<asio::strand<asio::thread_pool::executor_type>>() != nullptr ||
               ex.template target<asio::strand<Executor>>() != nullptr;
    } else {
        return false;
    }
}

/// True where it is known, at little cost, that this thread runs the executor's work right now, and that the executor may
/// call what it is given: what is dispatched there can just as well be called.
template <class Executor>
bool runs_here(Executor const& ex) noexcept {
    if constexpr (std::is_same_v<Executor, asio::io_context::executor_type>) {
        return ex.running_in_this_thread() &&
               asio::query(ex, asio::execution::blocking) == asio::execution::blocking.possibly;
    } else if constexpr (requires { ex.template target<asio::io_context::executor_type>(); }) {
        auto* const io = ex.template target<asio::io_context::executor_type>();
        return io != nullptr && runs_here(*io);
    } else {
        return false;
    }
}

/// A type-erased executor with a strand in it, made over the concrete executor where that is a known one: a
/// strand over a type-erased executor costs more than twice as much per child.
template <class AnyExecutor>
AnyExecutor erased_strand(AnyExecutor const& ex) {
    if (auto* io = ex.template target<asio::io_context::executor_type>()) {
        return asio::make_strand(*io);
    }
    if (auto* pool = ex.template target<asio::thread_pool::executor_type>()) {
        return asio::make_strand(*pool);
    }
    return asio::strand<AnyExecutor>(ex);
}

template <class Executor>
concept erased_executor =
    requires(Executor const& ex) { ex.template target<asio::io_context::executor_type>(); };

/// The type of a strand over `Executor`; a type-erased one stays what it is.
template <class Executor>
struct strand_over {
    using type = asio::strand<Executor>;
    static type make(Executor const& ex) { return type(ex); }
};
template <erased_executor Executor>
struct strand_over<Executor> {
    using type = Executor;
    static type make(Executor const& ex) { return erased_strand(ex); }
};
template <class Inner>
struct strand_over<asio::strand<Inner>> {
    using type = asio::strand<Inner>;
    static type make(type const& ex) { return ex; }
};

} // namespace fanout::detail
