// SPDX-License-Identifier: BSL-1.0

// Wrong calls, each in a function of its own, with what the compiler must say of it first. One compilation tells all:
// refused.py compiles this file and sorts what is said by function.
//
//     // error: <the whole sentence>
//     // warning: <part of the sentence>
//
// In a line below: `g++ before 13 only`, where other compilers take the call; `Asio says more`, where a second error cannot
// be helped.

#include <fanout.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using numbers = std::vector<int>;

awaitable<int> child(int);
awaitable<int> with_attempt(int, fanout::attempt const&);

struct no_default {
    explicit no_default(int);
};
awaitable<no_default> sealed(int);

struct no_move {
    no_move(no_move const&) = delete;
};
awaitable<no_move> immovable(int);
awaitable<int&> referring(int);
awaitable<fanout::error_code> telling(int);

awaitable<int, asio::io_context::executor_type> typed_child(int);
std::future<int> in_future(int);

awaitable<int> with_name(int, std::string&);
awaitable<std::string> make_name();

constexpr auto key = [](int i) { return i; };
using namespace std::chrono_literals;

/// Limits that calls may share.
struct limits {
    fanout::semaphore memory{4};
    fanout::pool<std::string> names{2, make_name};
    fanout::pool<std::string> other_names{2, make_name};
    fanout::token_budget budget;
};

bool fails(fanout::settled<int> const&);

struct named_number {
    std::string name;
    unsigned number;
};

/// A hook, and what is called like others and is none.
struct quiet_observer {
    void on_settled(fanout::settled_event const&) {}
    void on_limit(int) {}
    void on_limit(long) {}
    void on_begun(std::integral auto) {}
    bool on_finished = false;

private:
    void on_started(int) {}
};

/// Takes another event than it is told.
struct confused_observer {
    void on_settled(fanout::settled_event const&) {}
    void on_started(fanout::settled_event const&) {}
};
struct changing_observer {
    void on_settled(fanout::settled_event&) {}
};

struct no_key {
    int number;
};

// What is right, so that what is wrong below is no more than it seems.
awaitable<void> right(numbers& inputs, std::shared_ptr<int> shared, limits& l) {
    auto const named = [shared](int i) { return child(i); };
    co_await fanout::when_all(inputs, named, fanout::limit(2), fanout::options{});
    auto moved = [shared](int i) { return child(i); };
    co_await fanout::when_all(inputs, fanout::named(std::move(moved)));
    co_await fanout::when_all(inputs, [&](int i) { return child(i + *shared); });
    co_await fanout::when_all(inputs, child, l.memory);
    co_await fanout::when_all(child(1), child(2), fanout::all_of(l.memory, fanout::limit(2)));
    co_await fanout::when_all(inputs, with_name, fanout::all_of(l.memory, l.names, fanout::keyed(1, key)));
    co_await fanout::retry_rejected(inputs, child, l.budget, fanout::limit(2));
    co_await fanout::retry([] { return child(1); }, l.budget);
    auto kept = fanout::when_all(inputs, child);
    co_await std::move(kept);
    co_await fanout::retry([](std::string&) { return child(1); }, l.names);
    co_await fanout::retry(
        [](auto& name, auto const&... attempt) { return with_name(sizeof...(attempt), name); }, l.names);
}

/// What a function may be called with, and may return.
awaitable<void> right_functions(numbers& inputs, limits& l, std::mt19937& generator) {
    co_await fanout::retry_rejected(
        inputs, child, fanout::retry_if(&fails), fanout::delay_hint([](auto const&) { return 5ms; }, 1s),
        fanout::on_retry([](auto const&...) { return 1; }), fanout::jitter_from(generator));
    co_await fanout::retry_rejected(
        [] { return child(1); }, make_name, fanout::retry_if([](auto&& o) { return !o; }),
        fanout::delay_hint([](auto) { return std::optional<std::chrono::hours>(); }));
    co_await fanout::retry(make_name, fanout::delay_hint([n = 0](fanout::settled<std::string>) mutable {
                               return std::chrono::duration<double>(++n);
                           }));
    std::vector<named_number> records;
    auto const call = [](named_number const&) { return child(1); };
    co_await fanout::when_all(records, call, fanout::weighted(l.memory, &named_number::number));
    co_await fanout::when_all(records, call, fanout::keyed(1, &named_number::name));
    auto const both = [](auto const& r) { return std::pair(r.number, r.name); }; // has no hash, but <
    co_await fanout::when_all(records, call,
                              fanout::all_of(fanout::weighted(l.memory, 2), fanout::keyed(1, both)));
    auto const overloaded = [](fanout::error_code const&, std::exception_ptr) { return true; };
    co_await fanout::when_all(inputs, child, fanout::overload_if(overloaded));
    quiet_observer quiet;
    co_await fanout::when_all(inputs, child, quiet);
}

// ---- the likeliest

awaitable<void> factory_that_makes_no_child(numbers& inputs) {
    // error: fanout: the factory must return a boost::asio::awaitable or an Asio operation (as async_xxx(..., boost::asio::deferred) does)
    co_await fanout::when_all(inputs, [](int i) { return i; });
}

awaitable<void> factory_that_forgets_to_return(numbers& inputs) {
    // error: fanout: the factory must return a boost::asio::awaitable or an Asio operation (as async_xxx(..., boost::asio::deferred) does)
    std::vector<int> const v = co_await fanout::when_all(inputs, [](int i) { (void)child(i); });
}

awaitable<void> factory_that_returns_a_future(numbers& inputs) {
    // error: fanout: the factory must return a boost::asio::awaitable or an Asio operation (as async_xxx(..., boost::asio::deferred) does)
    co_await fanout::when_all_settled(inputs, in_future);
}

awaitable<void> factory_for_other_inputs(numbers& inputs) {
    // error: fanout: the factory cannot be called with an element of the inputs
    co_await fanout::when_all(inputs, [](std::string const&) { return child(1); });
}

awaitable<void> number_for_a_limit(numbers& inputs) {
    // error: fanout: a number is no limit: write fanout::limit(n)
    co_await fanout::when_all(inputs, child, 64);
}

awaitable<void> number_beside_children() {
    // error: fanout: a number is no limit: write fanout::limit(n)
    co_await fanout::when_all_settled(child(1), child(2), 1);
}

awaitable<void> two_limits(numbers& inputs) {
    // error: fanout: more than one limit: give them as one, fanout::all_of(a, b, ...)
    co_await fanout::when_all(inputs, child, fanout::limit(2), fanout::unlimited);
}

awaitable<void> children_with_names() {
    auto a = child(1);
    auto b = child(2);
    // error: fanout: a child that has a name can be awaited once only: std::move it
    co_await fanout::when_all(a, b);
}

awaitable<void> operation_with_a_name(numbers& inputs) {
    auto all = fanout::when_all(inputs, sealed);
    // error: fanout: an operation that has a name can be started once only: std::move it
    // Asio says more
    co_await all;
}

awaitable<void> nobody_awaits(numbers& inputs) {
    // warning: a fan-out runs only when it is awaited or given a completion token
    fanout::when_all(inputs, child, fanout::limit(3));
    co_return;
}

awaitable<void> nobody_awaits_a_retry() {
    // warning: a fan-out runs only when it is awaited or given a completion token
    fanout::retry([] { return child(1); });
    co_return;
}

awaitable<void> inputs_without_factory(numbers& inputs) {
    // error: fanout: a range of inputs needs a factory that makes a child of each, right behind it; limits and other arguments come after that
    co_await fanout::when_all(inputs);
}

awaitable<void> limit_before_the_factory(numbers& inputs) {
    // error: fanout: a range of inputs needs a factory that makes a child of each, right behind it; limits and other arguments come after that
    co_await fanout::when_all_settled(inputs, fanout::limit(2), child);
}

awaitable<void> factory_before_the_inputs(numbers& inputs) {
    // error: fanout: the inputs come first, then the factory
    co_await fanout::when_all(child, inputs);
}

awaitable<void> retried_factory_before_the_inputs(numbers& inputs) {
    // error: fanout: the inputs come first, then the factory
    co_await fanout::retry_rejected(child, inputs);
}

awaitable<void> spent_awaitable() {
    // error: fanout: retry takes a callable that makes the operation: one that was awaited is spent, so only a factory can make another attempt
    co_await fanout::retry(child(1));
}

awaitable<void> spent_awaitables(std::vector<awaitable<int>>& spent) {
    // error: fanout: retry_rejected takes a range of inputs and a factory, or of callables: an awaitable that was awaited is spent, so only a factory can make another attempt
    co_await fanout::retry_rejected(spent, fanout::retry_policy{});
}

awaitable<void> spent_children() {
    // error: fanout: retry_rejected(f, g, ...) takes callables without parameters that make a child each: an awaitable that was awaited is spent, so only a factory can make another attempt
    co_await fanout::retry_rejected(child(1), child(2));
}

awaitable<void> closure_that_is_destroyed_twice(numbers& inputs, std::shared_ptr<int> shared) {
    // error: fanout: GCC before 13 destroys the captures of a lambda written inside a co_await expression twice. Give the lambda a name first, `auto f = [...]...;`, and pass `f` or `fanout::named(std::move(f))`
    // g++ before 13 only
    co_await fanout::when_all(inputs, [shared](int i) { return child(i); });
}

void predicate_that_is_destroyed_twice(std::shared_ptr<int> shared) {
    // error: fanout: GCC before 13 destroys the captures of a lambda written inside a co_await expression twice. Give the lambda a name first, `auto f = [...]...;`, and pass `f` or `fanout::named(std::move(f))`
    // g++ before 13 only
    [[maybe_unused]] auto const rule = fanout::retry_if([shared](auto const&) { return *shared > 0; });
}

// ---- children and what they yield

awaitable<void> no_child(numbers&) {
    // error: fanout: a child must be a boost::asio::awaitable or an Asio operation (as async_xxx(..., boost::asio::deferred) returns); or give a range of inputs and a factory
    co_await fanout::when_all(child(1), child);
}

awaitable<void> reference_for_a_result(numbers& inputs) {
    // error: fanout: a child yields a reference, which no result can hold: let it yield a pointer or a std::reference_wrapper
    co_await fanout::when_all(inputs, referring);
}

awaitable<void> references_for_results() {
    // error: fanout: a child yields a reference, which no result can hold: let it yield a pointer or a std::reference_wrapper
    co_await fanout::when_all_settled(referring(1), child(2));
}

awaitable<void> result_that_cannot_be_moved(numbers& inputs) {
    // error: fanout: what a child yields must be movable: let it yield a std::unique_ptr of it
    co_await fanout::when_all_settled(inputs, immovable);
}

awaitable<void> error_for_a_result(numbers& inputs) {
    // error: fanout: a child yields an error_code or an exception_ptr, which an outcome could not tell from its errors: let it throw, or yield an Outcome result
    co_await fanout::when_all_settled(inputs, telling);
}

awaitable<void> tuple_without_default() {
    // error: fanout: when_all(a, b, ...) must hand Asio a tuple when it fails too, so each value must be default constructible: let the child return std::optional<T>, or use when_all_settled
    auto const both = co_await fanout::when_all(child(1), sealed(2));
}

awaitable<void> value_without_default() {
    // error: fanout: retry completes with the child's own type, of which Asio wants an empty one where it failed, and this type has none: return an Outcome result of it
    co_await fanout::retry([] { return sealed(1); });
}

awaitable<void> children_of_a_const_range(std::vector<awaitable<int>> const& children) {
    // error: fanout: the children of a const range cannot be moved out of it
    co_await fanout::when_all(children);
}

awaitable<void> factory_that_cannot_be_copied(numbers& inputs) {
    auto const f = [p = std::make_unique<int>(1)](int i) { return child(i + *p); };
    // error: fanout: the factory cannot be copied: give it as fanout::named(std::move(f))
    co_await fanout::when_all(inputs, f);
}

awaitable<void> nothing_to_run() {
    // error: fanout: nothing to run: give a range of inputs and a factory, or children
    co_await fanout::when_all(fanout::limit(3));
}

// ---- executors

void no_executor(numbers& inputs) {
    // error: fanout: the completion handler has no associated executor, so it is not known where the children are to run: await the operation in a coroutine, bind an executor to the token (boost::asio::bind_executor), or give fanout::on(executor)
    fanout::when_all(inputs, child)([](std::exception_ptr, std::vector<int>) {});
}

awaitable<void> other_executor(numbers& inputs) {
    // error: fanout: the awaitables are bound to another executor type than the completion handler's: let them be boost::asio::awaitable<T>, or await the fan-out in a coroutine of their executor type
    co_await fanout::when_all(inputs, typed_child);
}

awaitable<void> executor_without_on(numbers& inputs, asio::any_io_executor ex) {
    // error: fanout: an executor is given as fanout::on(executor)
    co_await fanout::when_all(inputs, child, ex);
}

awaitable<void> context_without_on(numbers& inputs, asio::io_context& context) {
    // error: fanout: an executor is given as fanout::on(executor)
    co_await fanout::when_all(inputs, child, context);
}

awaitable<void> executor_beside_children(asio::any_io_executor ex) {
    // error: fanout: an executor is given as fanout::on(executor)
    co_await fanout::when_all(child(1), child(2), ex);
}

// ---- arguments

awaitable<void> unknown_argument(numbers& inputs) {
    // error: fanout: an argument is none of a limit (fanout::limit(n), a semaphore, fanout::all_of(...), ...), fanout::overload_if(f), fanout::options{...}, an observer, fanout::on(executor); nor, for retry and retry_rejected, of a retry_policy, retry_if(f), delay_hint(f), on_retry(f), jitter_from(g), a budget
    co_await fanout::when_all(inputs, child, std::string("fast, please"));
}

awaitable<void> bare_predicate(numbers& inputs) {
    // error: fanout: an argument is none of a limit (fanout::limit(n), a semaphore, fanout::all_of(...), ...), fanout::overload_if(f), fanout::options{...}, an observer, fanout::on(executor); nor, for retry and retry_rejected, of a retry_policy, retry_if(f), delay_hint(f), on_retry(f), jitter_from(g), a budget
    co_await fanout::retry_rejected(inputs, child, [](auto const&) { return true; });
}

awaitable<void> bare_duration(numbers& inputs) {
    // error: fanout: a duration must say what for: write fanout::options{.attempt_timeout = t} or fanout::options{.deadline = t}
    co_await fanout::when_all(inputs, child, 2s);
}

awaitable<void> policy_without_retries(numbers& inputs) {
    // error: fanout: a retry_policy, retry_if, delay_hint, on_retry, jitter_from and a retry budget are arguments of retry and retry_rejected only
    co_await fanout::when_all(inputs, child, fanout::retry_policy{});
}

awaitable<void> budget_without_retries(numbers& inputs, limits& l) {
    // error: fanout: a retry_policy, retry_if, delay_hint, on_retry, jitter_from and a retry budget are arguments of retry and retry_rejected only
    co_await fanout::when_all(inputs, child, l.budget);
}

awaitable<void> two_observers(numbers& inputs) {
    fanout::stats st;
    // error: fanout: more than one observer: give them as one, fanout::observe(a, b, ...)
    co_await fanout::when_all(inputs, child, st, st);
}

awaitable<void> const_observer(numbers& inputs) {
    fanout::stats const unchanging;
    // error: fanout: an observer is const, but its hooks are not
    co_await fanout::when_all(inputs, child, unchanging);
}

awaitable<void> const_observer_in_observe(numbers& inputs) {
    fanout::stats const unchanging;
    // error: fanout::observe: an observer is const, but its hooks are not
    co_await fanout::when_all(inputs, child, fanout::observe(unchanging));
}

awaitable<void> hook_for_another_event(numbers& inputs) {
    confused_observer confused;
    // error: fanout: an observer has a hook that cannot be called: each takes its event, on_started(started_event const&), on_settled(settled_event const&), and so on
    co_await fanout::when_all(inputs, child, confused);
}

awaitable<void> hook_that_would_change_its_event(numbers& inputs) {
    changing_observer changing;
    // error: fanout: an observer has a hook that cannot be called: each takes its event, on_started(started_event const&), on_settled(settled_event const&), and so on
    co_await fanout::when_all(inputs, child, changing);
}

awaitable<void> hook_for_another_event_beside_children() {
    // error: fanout: an observer has a hook that cannot be called: each takes its event, on_started(started_event const&), on_settled(settled_event const&), and so on
    co_await fanout::when_all_settled(child(1), child(2), changing_observer());
}

awaitable<void> hook_for_another_event_in_observe(numbers& inputs) {
    confused_observer confused;
    // error: fanout::observe: an observer has a hook that cannot be called: each takes its event, on_started(started_event const&), on_settled(settled_event const&), and so on
    co_await fanout::when_all(inputs, child, fanout::observe(confused));
}

awaitable<void> temporary_budget(numbers& inputs) {
    // error: fanout: a retry budget given as a temporary would be gone before the call ends: give it a name
    co_await fanout::retry_rejected(inputs, child, fanout::token_budget());
}

awaitable<void> two_budgets(numbers& inputs, limits& l) {
    // error: fanout: more than one retry budget
    co_await fanout::retry_rejected(inputs, child, l.budget, l.budget);
}

awaitable<void> factory_of_retry_with_a_parameter() {
    // error: fanout: the factory of retry takes no parameter, or an attempt const& of the call's clock
    co_await fanout::retry(child);
}

// ---- functions

awaitable<void> predicate_of_another_outcome(numbers& inputs) {
    // error: fanout: retry_if takes a function that is called with a settled<T> const&, T being what a child yields, and returns a bool
    co_await fanout::retry_rejected(
        inputs, child, fanout::retry_if([](fanout::settled<std::string> const&) { return true; }));
}

awaitable<void> predicate_of_an_error_code(numbers& inputs) {
    // error: fanout: retry_if takes a function that is called with a settled<T> const&, T being what a child yields, and returns a bool
    co_await fanout::retry_rejected(inputs, child,
                                    fanout::retry_if([](fanout::error_code const&) { return true; }));
}

awaitable<void> predicate_that_says_nothing() {
    // error: fanout: retry_if takes a function that is called with a settled<T> const&, T being what a child yields, and returns a bool
    co_await fanout::retry([] { return child(1); }, fanout::retry_if([](auto const&) {}));
}

awaitable<void> predicate_of_one_child_only() {
    // error: fanout: retry_if takes a function that is called with a settled<T> const&, T being what a child yields, and returns a bool
    co_await fanout::retry_rejected([] { return child(1); }, make_name, fanout::retry_if(&fails));
}

awaitable<void> hint_that_is_a_number(numbers& inputs) {
    // error: fanout: delay_hint takes a function that is called with a settled<T> const&, T being what a child yields, and returns a duration, or a std::optional of one
    co_await fanout::retry_rejected(inputs, child, fanout::delay_hint([](auto const&) { return 5; }));
}

awaitable<void> hint_that_is_none_at_all(numbers& inputs) {
    // error: fanout: delay_hint takes a function that is called with a settled<T> const&, T being what a child yields, and returns a duration, or a std::optional of one
    co_await fanout::retry_rejected(inputs, child,
                                    fanout::delay_hint([](auto const&) { return std::nullopt; }));
}

awaitable<void> hint_that_is_a_duration(numbers& inputs) {
    // error: fanout: delay_hint takes a function that is called with a settled<T> const&, T being what a child yields, and returns a duration, or a std::optional of one
    co_await fanout::retry_rejected(inputs, child, fanout::delay_hint(5ms));
}

awaitable<void> hint_of_an_attempt() {
    // error: fanout: delay_hint takes a function that is called with a settled<T> const&, T being what a child yields, and returns a duration, or a std::optional of one
    co_await fanout::retry([] { return child(1); }, fanout::delay_hint([](int) { return 5ms; }));
}

awaitable<void> notice_of_the_event_alone(numbers& inputs) {
    // error: fanout: on_retry takes a function that is called with a retry_event const& and a settled<T> const&, T being what a child yields
    co_await fanout::retry_rejected(inputs, child, fanout::on_retry([](fanout::retry_event const&) {}));
}

awaitable<void> notice_the_wrong_way_round() {
    // error: fanout: on_retry takes a function that is called with a retry_event const& and a settled<T> const&, T being what a child yields
    co_await fanout::retry([] { return child(1); },
                           fanout::on_retry([](fanout::settled<int> const&, fanout::retry_event const&) {}));
}

awaitable<void> jitter_from_a_temporary(numbers& inputs) {
    // error: fanout: jitter_from takes a random generator that has a name and is not const, such as a std::minstd_rand: the call draws from it until it ends
    co_await fanout::retry_rejected(inputs, child, fanout::jitter_from(std::mt19937(1)));
}

awaitable<void> jitter_from_a_constant(numbers& inputs, std::mt19937 const& generator) {
    // error: fanout: jitter_from takes a random generator that has a name and is not const, such as a std::minstd_rand: the call draws from it until it ends
    co_await fanout::retry_rejected(inputs, child, fanout::jitter_from(generator));
}

awaitable<void> jitter_from_a_number() {
    // error: fanout: jitter_from takes a random generator that has a name and is not const, such as a std::minstd_rand: the call draws from it until it ends
    co_await fanout::retry([] { return child(1); }, fanout::jitter_from(42));
}

awaitable<void> pooled_retry_without_resource(limits& l) {
    // error: fanout: with a pool the factory of retry takes a resource of the pool, and behind it, where it wants it, an attempt const& of the call's clock
    co_await fanout::retry([] { return child(1); }, l.names);
}

awaitable<void> pooled_retry_with_an_input(limits& l) {
    // error: fanout: with a pool the factory of retry takes a resource of the pool, and behind it, where it wants it, an attempt const& of the call's clock
    co_await fanout::retry(with_name, l.names);
}

awaitable<void> overload_of_nothing(numbers& inputs) {
    // error: fanout: overload_if takes a function of (error_code const&), or of (error_code const&, std::exception_ptr const&), that returns a bool
    co_await fanout::when_all(inputs, child, fanout::overload_if([] { return true; }));
}

awaitable<void> overload_that_says_nothing(fanout::adaptive<fanout::aimd>& writes, numbers& inputs) {
    // error: fanout: overload_if takes a function of (error_code const&), or of (error_code const&, std::exception_ptr const&), that returns a bool
    co_await fanout::when_all(inputs, child, writes, fanout::overload_if([](fanout::error_code const&) {}));
}

awaitable<void> weight_of_another_input(numbers& inputs, limits& l) {
    // error: fanout: weighted takes a number, or a function that is called, as const, with an element of the inputs, as const, and returns a whole number
    co_await fanout::when_all(inputs, child, fanout::weighted(l.memory, &named_number::number));
}

awaitable<void> weight_that_is_a_fraction(numbers& inputs, limits& l) {
    // error: fanout: weighted takes a number, or a function that is called, as const, with an element of the inputs, as const, and returns a whole number
    co_await fanout::when_all(inputs, child, fanout::weighted(l.memory, [](int i) { return i * 0.5; }));
}

awaitable<void> weight_that_changes_its_input(numbers& inputs, limits& l) {
    // error: fanout: weighted takes a number, or a function that is called, as const, with an element of the inputs, as const, and returns a whole number
    co_await fanout::when_all_settled(inputs, child, fanout::weighted(l.memory, [](int& i) { return i; }));
}

awaitable<void> weight_that_counts(numbers& inputs, limits& l) {
    // error: fanout: weighted takes a number, or a function that is called, as const, with an element of the inputs, as const, and returns a whole number
    co_await fanout::retry_rejected(inputs, child,
                                    fanout::weighted(l.memory, [n = 0](int) mutable { return ++n; }));
}

awaitable<void> weight_of_another_input_in_all_of(numbers& inputs, limits& l) {
    // error: fanout: weighted takes a number, or a function that is called, as const, with an element of the inputs, as const, and returns a whole number
    co_await fanout::when_all(inputs, with_name,
                              fanout::all_of(l.names, fanout::weighted(l.memory, &named_number::number)));
}

awaitable<void> key_of_another_input(numbers& inputs) {
    // error: fanout: keyed takes a function that is called with an element of the inputs, as const
    co_await fanout::when_all(inputs, child, fanout::keyed(1, &named_number::name));
}

awaitable<void> key_of_another_input_in_all_of(numbers& inputs, limits& l) {
    // error: fanout: keyed takes a function that is called with an element of the inputs, as const
    co_await fanout::retry_rejected(
        inputs, child, fanout::all_of(l.memory, fanout::keyed(1, [](std::string const&) { return 1; })));
}

awaitable<void> key_that_nobody_can_look_up(numbers& inputs) {
    // error: fanout: what the function of keyed returns is copied, and has std::hash and ==, or <
    co_await fanout::when_all(inputs, child, fanout::keyed(1, [](int i) { return no_key{i}; }));
}

awaitable<void> key_that_is_nothing(numbers& inputs) {
    // error: fanout: what the function of keyed returns is copied, and has std::hash and ==, or <
    co_await fanout::when_all(inputs, child, fanout::keyed(1, [](int) {}));
}

// ---- limits

awaitable<void> temporary_limit(numbers& inputs) {
    // error: fanout: a shared limit given as a temporary would be gone before the call ends: give it a name
    co_await fanout::when_all(inputs, child, fanout::semaphore(3));
}

awaitable<void> const_limit(numbers& inputs, fanout::semaphore const& memory) {
    // error: fanout: a shared limit counts its permits, so it cannot be const
    co_await fanout::when_all(inputs, child, memory);
}

awaitable<void> temporary_in_all_of(numbers& inputs) {
    // error: fanout: a shared limit given as a temporary would be gone before the call ends: give it a name
    co_await fanout::when_all(inputs, child, fanout::all_of(fanout::limit(2), fanout::rate(3)));
}

awaitable<void> no_limit_in_all_of(numbers& inputs, limits& l) {
    // error: fanout: an argument of all_of is no limit
    co_await fanout::when_all(inputs, child, fanout::all_of(l.memory, fanout::options{}));
}

awaitable<void> two_limits_side_by_side(numbers& inputs, limits& l) {
    // error: fanout: more than one limit: give them as one, fanout::all_of(a, b, ...)
    co_await fanout::when_all(inputs, child, l.memory, fanout::keyed(1, key));
}

awaitable<void> two_keyed(numbers& inputs) {
    // error: fanout: at most one limit of a call may be keyed
    co_await fanout::when_all(inputs, child, fanout::all_of(fanout::keyed(1, key), fanout::keyed(2, key)));
}

awaitable<void> two_pools(numbers& inputs, limits& l) {
    // error: fanout: at most one limit of a call may carry a resource for the factory
    co_await fanout::when_all(inputs, with_name, fanout::all_of(l.names, l.other_names));
}

awaitable<void> keyed_children() {
    // error: fanout: a keyed limit, a weight by input and a pool need a range of inputs and a factory
    co_await fanout::when_all(child(1), child(2), fanout::keyed(1, key));
}

awaitable<void> weighted_children(limits& l) {
    // error: fanout: a keyed limit, a weight by input and a pool need a range of inputs and a factory
    co_await fanout::when_all(child(1), child(2), fanout::weighted(l.memory, key));
}

awaitable<void> pool_with_children(limits& l) {
    // error: fanout: a keyed limit, a weight by input and a pool need a range of inputs and a factory
    co_await fanout::when_all(child(1), child(2), l.names);
}

awaitable<void> factory_without_resource(numbers& inputs, limits& l) {
    // error: fanout: with a pool the factory is called with an input and a resource of the pool
    co_await fanout::when_all(inputs, child, l.names);
}

awaitable<void> pooled_factory_that_makes_no_child(numbers& inputs, limits& l) {
    // error: fanout: the factory must return a boost::asio::awaitable or an Asio operation (as async_xxx(..., boost::asio::deferred) does)
    co_await fanout::when_all(inputs, [](int, std::string&) { return 1; }, l.names);
}

awaitable<void> one_operation_under_a_keyed_limit() {
    // error: fanout: retry has no input that a keyed limit or a weight could be asked of
    co_await fanout::retry([] { return child(1); }, fanout::keyed(1, key));
}
