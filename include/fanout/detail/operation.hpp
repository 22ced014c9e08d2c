// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a combinator returns: a lazy operation that Asio recognises as one; and how it is launched on the right
// executor.

#include <fanout/detail/fan_out.hpp>
#include <fanout/detail/job.hpp>
#include <fanout/detail/serial.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/system_executor.hpp>

#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// The executor type that children are bound to: that of awaitables typed on a concrete executor, else the
/// type-erased one of other awaitables, else void.
template <class Chosen, class... Children>
struct bound_executor {
    using type = Chosen;
};
template <class Chosen, class T, class Executor, class... Children>
struct bound_executor<Chosen, boost::asio::awaitable<T, Executor>, Children...>
    : bound_executor<
          std::conditional_t<std::is_void_v<Chosen> || !erased_executor<Executor>, Executor, Chosen>,
          Children...> {};
template <class Chosen, class Operation, class... Children>
struct bound_executor<Chosen, Operation, Children...> : bound_executor<Chosen, Children...> {};

template <class Tuple>
struct bound_executor_of;
template <class... Children>
struct bound_executor_of<std::tuple<Children...>> : bound_executor<void, std::remove_cvref_t<Children>...> {};

template <class Job>
struct initiate_fan_out {
    using bound = typename bound_executor_of<typename Job::child_types>::type;

    template <class Handler>
    void operator()(Handler&& handler, Job job) const {
        using on_type = typename Job::on_type;
        if constexpr (std::is_same_v<on_type, no_executor>) {
            static_assert(
                has_executor<std::decay_t<Handler>>,
                "fanout: the completion handler has no associated executor, so it is not known where the "
                "children are to run: await the operation in a coroutine, bind an executor to the token "
                "(boost::asio::bind_executor), or give fanout::on(executor)");
            on_handler_executor(std::forward<Handler>(handler), std::move(job));
        } else {
            using handler_type = std::decay_t<Handler>;
            static_assert(
                !has_slot<handler_type> || has_executor<handler_type>,
                "fanout: a cancellation slot is bound to the completion handler, but no executor: a "
                "cancellation must be emitted on the handler's executor, so bind one "
                "(boost::asio::bind_executor)");
            auto const ex = job.on_executor();
            using strand = typename strand_over<on_type>::type;
            if constexpr (is_strand<on_type> || !runs_on<strand>()) {
                start<serial_type<on_type>, false>(std::forward<Handler>(handler), std::move(job), ex);
            } else {
                start<serial_type<strand>, true>(std::forward<Handler>(handler), std::move(job),
                                                 strand_over<on_type>::make(ex));
            }
        }
    }

private:
    template <class Handler>
    static constexpr bool has_slot = !requires {
        typename boost::asio::associated_cancellation_slot<
            Handler>::asio_associated_cancellation_slot_is_unspecialised;
    };
    template <class Handler>
    static constexpr bool has_executor =
        !std::is_same_v<boost::asio::associated_executor_t<Handler>, boost::asio::system_executor>;

    /// Whether children can run on an executor of this type.
    template <class Executor>
    static constexpr bool runs_on() {
        if constexpr (std::is_void_v<bound>) {
            return true;
        } else {
            return std::is_convertible_v<Executor, bound>;
        }
    }

    /// The type of the fan-out's executor, where `Executor` is at hand.
    template <class Executor>
    using serial_type = std::conditional_t<std::is_void_v<bound>, Executor, bound>;

    template <class Handler>
    static void on_handler_executor(Handler&& handler, Job&& job) {
        auto ex = boost::asio::get_associated_executor(handler);
        using executor = decltype(ex);
        using strand = typename strand_over<executor>::type;
        constexpr bool same_type = runs_on<executor>();
        static_assert(
            same_type,
            "fanout: the awaitables are bound to another executor type than the completion handler's: "
            "let them be boost::asio::awaitable<T>, or await the fan-out in a coroutine of their executor "
            "type");
        if constexpr (!same_type) {
            return;
        } else if constexpr (!runs_on<strand>()) {
            // Typed on a concrete executor: they cannot move to a strand, so that executor must be serial.
            start<bound, false>(std::forward<Handler>(handler), std::move(job), ex);
        } else if constexpr (std::is_same_v<serial_type<executor>, serial_type<strand>>) {
            using chosen = serial_type<executor>;
            auto const as_it_is = is_serial(ex);
            start<chosen, false>(std::forward<Handler>(handler), std::move(job),
                                 as_it_is ? chosen(std::move(ex)) : chosen(strand_over<executor>::make(ex)),
                                 as_it_is && std::is_same_v<chosen, executor>);
        } else if (is_serial(ex)) {
            start<executor, false>(std::forward<Handler>(handler), std::move(job), ex);
        } else {
            start<strand, false>(std::forward<Handler>(handler), std::move(job),
                                 strand_over<executor>::make(ex));
        }
    }

    /// `same`: `ex` is known to be the handler's executor.
    template <class Executor, bool Threaded, class Handler>
    static void start(Handler&& handler, Job&& job, Executor ex, bool same = false) {
        fan_out<Job, Executor, std::decay_t<Handler>, Threaded>::launch(std::forward<Handler>(handler),
                                                                        std::move(job), std::move(ex), same);
    }
};

template <class R>
struct completion_signature {
    using type = void(std::exception_ptr, R);
};
template <>
struct completion_signature<void> {
    using type = void(std::exception_ptr);
};

/// A fan-out that has not started. Await it, or call it with a completion token, once; dropped, nothing runs.
template <class Job, class Result>
class [[nodiscard("a fan-out runs only when it is awaited or given a completion token")]] operation {
    using signature = typename completion_signature<Result>::type;

public:
    explicit operation(Job&& job) : job_(std::move(job)) {}
    operation(operation&&) = default;
    operation& operator=(operation&&) = delete;

    template <boost::asio::completion_token_for<signature> Token>
    auto operator()(Token&& token) && {
        return boost::asio::async_initiate<Token, signature>(initiate_fan_out<Job>{}, token, std::move(job_));
    }

    /// Refused: one that has a name could be started twice.
    template <boost::asio::completion_token_for<signature> Token>
    auto operator()(Token&& token) & {
        constexpr bool is_moved = sizeof(Token) == 0;
        static_assert(is_moved,
                      "fanout: an operation that has a name can be started once only: std::move it");
        return std::move(*this)(std::forward<Token>(token));
    }

private:
    Job job_;
};

} // namespace fanout::detail
