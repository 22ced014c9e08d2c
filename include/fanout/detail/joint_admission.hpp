// SPDX-License-Identifier: BSL-1.0
#pragma once

// A permit of each of several limits, taken one after another in one order everywhere.

#include <fanout/detail/joint_permit.hpp>
#include <fanout/detail/permit_end.hpp>
#include <fanout/detail/visit_index.hpp>
#include <fanout/limit/admission.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace fanout::detail {

/// Asks each of several limits. While it waits for one it holds the permits of those before, which cannot lock up:
/// everyone asks in the order of the limits' addresses, and those that depend on nobody, a rate's tokens, come last.
template <class... Admissions>
class joint_admission {
    static constexpr auto size = sizeof...(Admissions);

public:
    static constexpr bool by_input = (... || Admissions::by_input);
    static constexpr bool wants_latency = (... || Admissions::wants_latency);
    using permit_type = joint_permit<typename Admissions::permit_type...>;
    using request = std::tuple<typename Admissions::request...>;

    explicit joint_admission(std::tuple<Admissions...>&& members) : members_(std::move(members)) {
        std::array<std::pair<bool, void const*>, size> rank{};
        std::apply(
            [&](auto const&... m) {
                std::size_t i = 0;
                ((rank[i++] = {std::remove_cvref_t<decltype(m)>::acquired_last, m.identity()}), ...);
            },
            members_);
        for (std::size_t i = 0; i < size; ++i) {
            order_[i] = i;
        }
        std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
            return rank[a].first != rank[b].first ? rank[b].first
                                                  : std::less<void const*>()(rank[a].second, rank[b].second);
        });
        auto const same = [&](std::size_t a, std::size_t b) { return rank[a].second == rank[b].second; };
        if (std::adjacent_find(order_.begin(), order_.end(), same) != order_.end()) {
            throw std::invalid_argument(
                "fanout::all_of: the same limit is given twice; it would wait for itself");
        }
    }

    std::tuple<Admissions...> members() && { return std::move(members_); }

    /// The smallest number that one of them tells.
    std::optional<std::size_t> level() const {
        std::optional<std::size_t> least;
        auto const lower = [&least](std::optional<std::size_t> n) {
            least = n && least ? (std::min)(*n, *least) : n ? n : least;
        };
        std::apply([&](auto const&... m) { (lower(m.level()), ...); }, members_);
        return least;
    }
    void each_held(auto f) const {
        std::apply([&](auto const&... m) { (m.each_held(f), ...); }, members_);
    }

    request ask() {
        return std::apply([](auto&... m) { return request(m.ask()...); }, members_);
    }
    template <class Input>
    request ask(Input const& input) {
        auto const one = [&input](auto& m) {
            if constexpr (std::remove_cvref_t<decltype(m)>::by_input) {
                return m.ask(input);
            } else {
                return m.ask();
            }
        };
        return std::apply([&](auto&... m) { return request(one(m)...); }, members_);
    }

    permit_type try_acquire(request const& r) {
        permit_type p;
        p.standing_at = &standing_.at;
        for (auto const i : order_) {
            bool got = false;
            visit_index<size>(i, [&](auto at) {
                std::get<at>(p.all) = std::get<at>(members_).try_acquire(std::get<at>(r));
                got = static_cast<bool>(std::get<at>(p.all));
            });
            if (!got) {
                p.release();
                return {};
            }
        }
        return p;
    }

    /// `handler` is a `permit_end`.
    template <class Handler>
    void async_acquire(request const& r, Handler handler) {
        wait<Handler>::ask_next(std::make_shared<wait<Handler>>(*this, r, std::move(handler)));
    }

private:
    template <class Handler>
    class wait;

    /// In whose line the fan-out waits; `size` where in none. It is moved only before anyone waits.
    struct standing {
        standing() = default;
        standing(standing const&) noexcept {}
        std::atomic<std::size_t> at{size};
    };

    std::tuple<Admissions...> members_;
    std::array<std::size_t, size> order_{};
    standing standing_;
};

/// Asks one after another. The admission lives in the fan-out, which the handler owns.
template <class... Admissions>
template <class Handler>
class joint_admission<Admissions...>::wait {
    using pointer = std::shared_ptr<wait>;
    using executor = typename Handler::executor_type;

public:
    wait(joint_admission& owner, request const& r, Handler&& h)
        : handler_(std::move(h)),
          cancellation_(boost::asio::get_associated_cancellation_slot(handler_)),
          owner_(&owner),
          wanted_(r) {}

    /// What the limit throws is its refusal. Of the first it is left to the caller, where the handler must not be called yet.
    static void ask_next(pointer self) {
        auto& w = *self;
        auto& owner = *w.owner_;
        std::exception_ptr thrown;
        visit_index<size>(owner.order_[w.step_], [&](auto at) {
            auto& member = std::get<at>(owner.members_);
            using permit = typename std::remove_cvref_t<decltype(member)>::permit_type;
            owner.standing_.at = at;
            try {
                member.async_acquire(std::get<at>(w.wanted_),
                                     permit_end<std::shared_ptr<void>, executor, permit>(
                                         self, w.handler_.executor(),
                                         &wait::answered<decltype(at)::value, permit>,
                                         w.cancellation_.slot()));
            } catch (...) {
                owner.standing_.at = size;
                thrown = std::current_exception();
            }
        });
        if (thrown) {
            w.cancellation_.slot().clear(); // what the limit left there may own the wait
            if (w.step_ == 0) {
                std::rethrow_exception(std::move(thrown));
            }
            end(std::move(self), std::move(thrown));
        }
    }

private:
    template <std::size_t I, class Permit>
    static void answered(std::shared_ptr<void> self, std::exception_ptr error, Permit&& got) {
        auto& w = *static_cast<wait*>(self.get());
        w.owner_->standing_.at = size;
        std::get<I>(w.got_.all) = std::move(got);
        if (!error && w.cancellation_.cancelled() != boost::asio::cancellation_type::none) {
            error = exception_of(boost::asio::error::operation_aborted);
        }
        auto mine = std::static_pointer_cast<wait>(std::move(self));
        if (error || ++w.step_ == size) {
            end(std::move(mine), std::move(error));
        } else {
            ask_next(std::move(mine));
        }
    }

    static void end(pointer self, std::exception_ptr error) {
        auto handler = std::move(self->handler_);
        auto got = std::exchange(self->got_, permit_type());
        if (error) {
            got.release();
        } else {
            got.standing_at = &self->owner_->standing_.at;
        }
        self.reset(); // before the handler is called
        std::move(handler)(std::move(error), std::move(got));
    }

    Handler handler_;
    boost::asio::cancellation_state cancellation_;
    joint_admission* owner_;
    request wanted_;
    permit_type got_;
    std::size_t step_ = 0;
};

template <class... Admissions>
std::tuple<Admissions...> members_of(joint_admission<Admissions...>&& a) {
    return std::move(a).members();
}
template <class Admission>
std::tuple<Admission> members_of(Admission&& a) {
    return std::tuple<Admission>(std::move(a));
}

/// Those that are joint themselves are taken apart, so that one order holds for all.
template <class... Admissions>
auto make_joint_admission(std::tuple<Admissions...>&& admissions) {
    auto members =
        std::apply([](auto&... a) { return std::tuple_cat(members_of(std::move(a))...); }, admissions);
    return []<class... Members>(std::tuple<Members...>&& m) {
        return joint_admission<Members...>(std::move(m));
    }(std::move(members));
}

} // namespace fanout::detail
