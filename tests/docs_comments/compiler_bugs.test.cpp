// SPDX-License-Identifier: BSL-1.0
// What docs/explanation/compiler-bugs.md says: which forms GCC 12 gets wrong inside a co_await expression, and that what
// to write instead is right with every compiler. It counts objects, so that a second destruction shows and does no harm.

#include <doctest/doctest.h>

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

namespace {

struct task {
    struct promise_type {
        task get_return_object() { return task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    explicit task(std::coroutine_handle<promise_type> h) : handle(h) {}
    task(task const&) = delete;
    task& operator=(task const&) = delete;
    ~task() { handle.destroy(); }

    std::coroutine_handle<promise_type> handle;
};

int alive = 0;

struct counted {
    counted() { ++alive; }
    counted(counted const&) { ++alive; }
    counted& operator=(counted const&) = default;
    ~counted() { --alive; }
    int value = 1;
};

struct aggregate {
    counted one;
};

struct with_constructor {
    explicit with_constructor(counted const& c) : one(c) {}
    counted one;
};

struct trivial {
    int attempts = 0;
    double backoff = 0;
};

/// What a combinator returns, as far as it matters here.
template <class... Args>
std::suspend_never operation(Args&&...) {
    return {};
}

/// How many objects are left over; below 0: so many were destroyed twice.
template <class Coroutine>
int left_by(Coroutine const& c) {
    alive = 0;
    {
        task const t = c();
    }
    return alive;
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
constexpr int wrong = -1;
#else
constexpr int wrong = 0;
#endif

} // namespace

TEST_CASE("what GCC 12 destroys twice inside a co_await expression") {
    CHECK(left_by([]() -> task {
              counted c;
              co_await operation([c] { return c.value; });
          }) == wrong);
    CHECK(left_by([]() -> task {
              counted c;
              co_await operation(std::function<int()>([c] { return c.value; }));
          }) == wrong);
    CHECK(left_by([]() -> task {
              counted c;
              co_await operation(aggregate{c});
          }) == wrong);
    CHECK(left_by([]() -> task {
              bool const yes = alive == 0;
              co_await operation(yes ? counted() : counted());
          }) == wrong);
}

TEST_CASE("what to write instead is right with every compiler") {
    CHECK(left_by([]() -> task {
              counted c;
              // [named]
              auto f = [c] { return c.value; };
              co_await operation(std::move(f));
              // [/named]
              co_await operation(f);
          }) == 0);
    CHECK(left_by([]() -> task {
              counted c;
              co_await operation([&c] { return c.value; });
          }) == 0);
    CHECK(left_by([]() -> task {
              int n = 1;
              co_await operation([n] { return n; });
          }) == 0);
    CHECK(left_by([]() -> task {
              counted c;
              aggregate const a{c};
              co_await operation(a);
          }) == 0);
    CHECK(left_by([]() -> task {
              counted c;
              co_await operation(with_constructor(c));
          }) == 0);
    CHECK(left_by([]() -> task { co_await operation(trivial{.attempts = 4}); }) == 0);
    CHECK(left_by([]() -> task {
              bool const yes = alive == 0;
              auto const chosen = yes ? counted() : counted();
              co_await operation(chosen);
          }) == 0);
    CHECK(left_by([]() -> task {
              struct both : std::suspend_never {
                  std::tuple<counted, counted> await_resume() const noexcept { return {}; }
              };
              auto result = co_await both();
              auto& [a, b] = result;
              co_await std::suspend_always(); // and is destroyed here
              co_await operation(a, b);
          }) == 0);
}
