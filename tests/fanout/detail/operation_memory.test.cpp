// SPDX-License-Identifier: BSL-1.0

// What an operation may do with the memory that its lane lends it.

#include <fanout/detail/operation_memory.hpp>
#include <fanout/named.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../support/harness.hpp"

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace test;

namespace {

constexpr auto room = fanout::detail::operation_memory::size;

struct alignas(64) over_aligned {
    std::byte bytes[64];
};

std::atomic<int> damaged{0};    ///< blocks that somebody else wrote to
std::atomic<int> misaligned{0}; ///< blocks at a wrong address

/// A block from the allocator of an operation's handler, filled with what only this block holds.
template <class Allocator, class T>
class block {
    using traits = typename std::allocator_traits<Allocator>::template rebind_traits<T>;
    using allocator = typename traits::allocator_type;

public:
    block(Allocator const& a, std::size_t n) : allocator_(a), n_(n) {
        static std::atomic<unsigned> next{0};
        if (n_ > 0) {
            at_ = traits::allocate(allocator_, n_);
            fill_ = static_cast<unsigned char>(next++ % 255 + 1);
            misaligned += reinterpret_cast<std::uintptr_t>(at_) % alignof(T) != 0 ? 1 : 0;
            std::memset(static_cast<void*>(at_), fill_, n_ * sizeof(T));
        }
    }
    block(block&& other) noexcept
        : allocator_(other.allocator_),
          at_(std::exchange(other.at_, nullptr)),
          n_(other.n_),
          fill_(other.fill_) {}
    block& operator=(block&&) = delete;
    ~block() { free(); }

    void free() {
        if (auto* const p = std::exchange(at_, nullptr)) {
            auto const* const bytes = reinterpret_cast<unsigned char const*>(p);
            auto const whole =
                std::all_of(bytes, bytes + n_ * sizeof(T), [this](auto b) { return b == fill_; });
            damaged += whole ? 0 : 1;
            traits::deallocate(allocator_, p, n_);
        }
    }

private:
    allocator allocator_;
    T* at_ = nullptr;
    std::size_t n_;
    unsigned char fill_ = 0;
};

/// How an operation uses its handler's allocator.
struct plan {
    std::size_t first = 0;   ///< bytes
    std::size_t second = 0;  ///< bytes, while it holds the first block
    std::size_t aligned = 0; ///< blocks of `over_aligned`
    bool keeps = false;      ///< frees its blocks only after it called its handler and destroyed it
    bool at_once = false;    ///< ends within its initiation
};

/// An operation's memory and its handler. The handler is destroyed first.
template <class Handler>
struct state {
    using allocator = boost::asio::associated_allocator_t<Handler>;

    state(plan const& p, Handler&& h) : state(p, std::move(h), boost::asio::get_associated_allocator(h)) {}
    state(plan const& p, Handler&& h, allocator const& a)
        : keeps(p.keeps),
          first(a, p.first),
          second(a, p.second),
          aligned(a, p.aligned),
          handler(std::move(h)) {}

    void end() {
        if (!keeps) {
            first.free();
            second.free();
            aligned.free();
        }
        auto h = std::move(handler);
        std::move(h)(error_code());
    }

    bool keeps;
    block<allocator, unsigned char> first;
    block<allocator, unsigned char> second;
    block<allocator, over_aligned> aligned;
    Handler handler;
};

/// An operation that goes by its plan, and through `context` unless it ends at once.
template <class Context>
auto operate(Context& context, plan p) {
    return make_operation<void(error_code)>([&context, p](auto h) {
        state<decltype(h)> s(p, std::move(h));
        if (p.at_once) {
            s.end();
        } else {
            asio::post(context, [s = std::move(s)]() mutable {
                auto const ex = asio::get_associated_executor(s.handler);
                asio::dispatch(ex, [s = std::move(s)]() mutable { s.end(); });
            });
        }
    });
}

std::vector<plan> plans() {
    std::vector<plan> all;
    for (auto const first : {std::size_t{1}, room, room + 1, 20 * room}) {
        for (auto const second : {std::size_t{0}, std::size_t{24}, room, 2 * room}) {
            for (auto const aligned : {0U, 1U, 3U}) {
                for (auto const keeps : {false, true}) {
                    for (auto const at_once : {false, true}) {
                        all.push_back({first, second, aligned, keeps, at_once});
                    }
                }
            }
        }
    }
    return all;
}

bool all_fulfilled(std::vector<fanout::settled<void>> const& outcomes) {
    return std::all_of(outcomes.begin(), outcomes.end(), [](auto const& o) { return o.has_value(); });
}

/// Operations by these plans, in a window of `n`; `alive` lives as long as the fan-out.
auto fan_out(asio::io_context& ctx, std::vector<plan> const& inputs, std::size_t n,
             std::shared_ptr<int> alive = nullptr) {
    auto factory = [&ctx, alive = std::move(alive)](plan const& p) { return operate(ctx, p); };
    return fanout::when_all_settled(inputs, fanout::named(std::move(factory)), fanout::limit(n));
}

} // namespace

TEST_CASE(
    "operations may hold large, over-aligned and several blocks, and free them before or after they called "
    "their handler") {
    damaged = 0;
    misaligned = 0;
    auto const inputs = plans();
    for (auto const window : {std::size_t{1}, std::size_t{5}, inputs.size()}) {
        asio::io_context ctx(1);
        auto const alive = std::make_shared<int>(0);
        {
            auto const r = run(ctx, fan_out(ctx, inputs, window, alive));
            REQUIRE(r->value);
            CHECK(r->value->size() == inputs.size());
            CHECK(all_fulfilled(*r->value));
        }
        CHECK(alive.use_count() == 1);
    }
    CHECK(damaged == 0);
    CHECK(misaligned == 0);
}

TEST_CASE("a context that is destroyed frees operations that hold blocks, wherever they are") {
    damaged = 0;
    auto const inputs = plans();
    for (std::size_t turns = 0; turns < inputs.size() / 4; turns += 3) {
        auto const alive = std::make_shared<int>(0);
        {
            asio::io_context ctx(1);
            auto const r = launch(ctx, fan_out(ctx, inputs, 5, alive));
            for (std::size_t i = 0; i < turns; ++i) {
                ctx.poll_one();
            }
            CHECK_FALSE(r->done);
            CHECK(alive.use_count() > 1);
        }
        CHECK(alive.use_count() == 1);
    }
    CHECK(damaged == 0);
}

TEST_CASE("an operation that keeps its block has no part in when the fan-out completes, and may free it long "
          "after") {
    damaged = 0;
    asio::io_context ctx(1);
    auto const alive = std::make_shared<int>(0);
    std::vector<std::shared_ptr<void>> kept;
    int started = 0;
    auto factory = [&, held = alive](int) {
        return make_operation<void(error_code)>([&](auto h) {
            using allocator = boost::asio::associated_allocator_t<decltype(h)>;
            auto const a = boost::asio::get_associated_allocator(h);
            kept.push_back(std::make_shared<block<allocator, unsigned char>>(a, room));
            ++started;
            asio::post(ctx, [h = std::move(h)]() mutable { std::move(h)(error_code()); });
        });
    };
    std::vector<int> const inputs(6, 0);
    auto r =
        launch(ctx, fanout::when_all_settled(inputs, fanout::named(std::move(factory)), fanout::limit(2)));
    poll(ctx);
    REQUIRE(r->done);
    CHECK(all_fulfilled(*r->value));
    CHECK(started == 6);
    kept.clear(); // the context is still there, the fan-out is not needed by anyone else
    CHECK(damaged == 0);
    CHECK(alive.use_count() == 1);
}

TEST_CASE(
    "an operation that destroys its handler without calling it frees the fan-out, and nothing completes") {
    asio::io_context ctx(1);
    auto const alive = std::make_shared<int>(0);
    std::vector<std::shared_ptr<void>> handlers;
    std::vector<std::function<void()>> calls;
    auto factory = [&, held = alive](int) {
        return make_operation<void(error_code)>([&](auto h) {
            auto const kept = std::make_shared<decltype(h)>(std::move(h));
            handlers.push_back(kept);
            calls.push_back([at = kept.get()] { std::move (*at)(error_code()); });
        });
    };
    for (bool const one_ends : {false, true}) {
        bool called = false;
        std::vector<int> const inputs(2, 0);
        auto named = factory;
        fanout::when_all_settled(inputs, fanout::named(std::move(named)), fanout::limit(2))(
            asio::bind_executor(ctx.get_executor(),
                                [&called, held = alive](std::exception_ptr, auto const&) { called = true; }));
        poll(ctx);
        REQUIRE(handlers.size() == 2);
        CHECK(alive.use_count() == 4); // ours and that of `factory`; the one in the fan-out, and the handler
        if (one_ends) {
            asio::post(ctx, calls[0]);
            poll(ctx);
        }
        handlers.pop_back();
        CHECK(alive.use_count() == (one_ends ? 2 : 4));
        handlers.clear();
        CHECK(alive.use_count() == 2);
        poll(ctx);
        CHECK_FALSE(called);
        calls.clear();
    }
}

TEST_CASE(
    "operations on threads free their block on another thread, before or after they called their handler") {
    damaged = 0;
    auto inputs = plans();
    auto const once = inputs;
    for (int i = 0; i < 5; ++i) {
        inputs.insert(inputs.end(), once.begin(), once.end());
    }
    asio::thread_pool pool(3);
    auto const alive = std::make_shared<int>(0);
    {
        auto factory = [&pool, held = alive](plan const& p) { return operate(pool, p); };
        auto outcomes = fanout::when_all_settled(inputs, fanout::named(std::move(factory)), fanout::limit(8),
                                                 fanout::on(pool))(asio::use_future)
                            .get();
        CHECK(outcomes.size() == inputs.size());
        CHECK(all_fulfilled(outcomes));
    }
    pool.join(); // the last of those that keep their block frees it
    CHECK(alive.use_count() == 1);
    CHECK(damaged == 0);
}
