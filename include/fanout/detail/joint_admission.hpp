// SPDX-License-Identifier: BSL-1.0
#pragma once

// A permit of each of several limits, taken one after another in one order everywhere.

#include <fanout/detail/joint_permit.hpp>
#include <fanout/detail/mapped_handler.hpp>
#include <fanout/detail/visit_index.hpp>
#include <fanout/error.hpp>
#include <fanout/limit/admission.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

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

/// A handler that is kept elsewhere, too.
template <class Handler>
class kept_handler {
public:
    explicit kept_handler(std::shared_ptr<Handler> h) noexcept : handler_(std::move(h)) {}

    void operator()(auto&&... args) { (*handler_)(std::forward<decltype(args)>(args)...); }

    Handler const& handler() const noexcept { return *handler_; }

private:
    std::shared_ptr<Handler> handler_;
};

/// A permit that is known by its limit's place.
template <std::size_t I, class Permit>
struct placed {
    Permit permit;
};

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

    template <class Handler>
    void async_acquire(request const& r, Handler&& handler) {
        boost::asio::async_compose<Handler, void(std::exception_ptr, permit_type)>(wait(*this, r), handler);
    }

private:
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
class joint_admission<Admissions...>::wait {
public:
    wait(joint_admission& owner, request const& r) : owner_(&owner), wanted_(r) {}

    template <class Self>
    void operator()(Self& self) {
        ask_next(self);
    }

    struct refusal {};
    template <class Self>
    void operator()(Self& self, std::exception_ptr error, refusal) {
        refuse(self, std::move(error));
    }

    template <class Self, class Error, std::size_t I, class Permit>
    void operator()(Self& self, Error const& error, placed<I, Permit> got) {
        owner_->standing_.at = size;
        std::get<I>(got_.all) = std::move(got.permit);
        if (error) {
            refuse(self, as_pointer(error));
        } else if (self.cancelled() != boost::asio::cancellation_type::none) {
            refuse(self,
                   as_pointer(boost::asio::error::make_error_code(boost::asio::error::operation_aborted)));
        } else if (++step_ < size) {
            ask_next(self);
        } else {
            got_.standing_at = &owner_->standing_.at;
            self.complete(nullptr, std::move(got_));
        }
    }

private:
    static std::exception_ptr as_pointer(std::exception_ptr const& e) { return e; }
    static std::exception_ptr as_pointer(error_code const& e) {
        return std::make_exception_ptr(boost::system::system_error(e));
    }

    template <class Self>
    void refuse(Self& self, std::exception_ptr error) {
        got_.release();
        self.complete(std::move(error), permit_type());
    }

    template <class Self>
    void ask_next(Self& self) {
        auto& owner = *owner_;
        visit_index<size>(owner.order_[step_], [&](auto at) {
            auto& member = std::get<at>(owner.members_);
            auto const r = std::get<at>(wanted_);
            owner.standing_.at = at;
            using permit = typename std::remove_cvref_t<decltype(member)>::permit_type;
            auto const place = [](permit p) { return placed<decltype(at)::value, permit>{std::move(p)}; };
            auto const kept = std::make_shared<Self>(std::move(self)); // in case that the limit throws
            try {
                using handler = kept_handler<Self>;
                member.async_acquire(r, mapped(handler(kept), place));
            } catch (...) {
                owner.standing_.at = size;
                auto const ex = boost::asio::get_associated_executor(*kept);
                boost::asio::post(ex, [kept, error = std::current_exception()]() mutable {
                    (*kept)(std::move(error), refusal());
                });
            }
        });
    }

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

template <template <class, class> class Associator, class Handler, class Default>
struct boost::asio::associator<Associator, fanout::detail::kept_handler<Handler>, Default>
    : Associator<Handler, Default> {
    static auto get(fanout::detail::kept_handler<Handler> const& h) noexcept {
        return Associator<Handler, Default>::get(h.handler());
    }
    static auto get(fanout::detail::kept_handler<Handler> const& h, Default const& d) noexcept {
        return Associator<Handler, Default>::get(h.handler(), d);
    }
};
