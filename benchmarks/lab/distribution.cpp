// SPDX-License-Identifier: BSL-1.0
#include "distribution.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace lab {

namespace {

template <class... Fs>
struct overloaded : Fs... {
    using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

// An hour at most: what the tail of a distribution tells beyond that is of no use.
duration scaled(duration d, double factor) {
    constexpr double most = 3600e9;
    return duration(
        static_cast<duration::rep>(std::clamp(static_cast<double>(d.count()) * factor, 0.0, most)));
}

[[noreturn]] void refuse(std::string_view text) {
    throw std::invalid_argument("'" + std::string(text) +
                                "' is no service time: constant:10ms, exponential:10ms, "
                                "log-normal:540ms:0.2 or measured:FILE");
}

} // namespace

duration distribution::drawn(double u, double v) const {
    return std::visit(overloaded{
                          [](constant const& c) { return c.value; },
                          [&](exponential const& e) { return scaled(e.mean, -std::log1p(-u)); },
                          [&](log_normal const& l) { // Box and Muller
                              auto const z =
                                  std::sqrt(-2 * std::log1p(-u)) * std::cos(2 * std::numbers::pi * v);
                              return scaled(l.mean, std::exp(l.sigma * z - l.sigma * l.sigma / 2));
                          },
                          [&](as_measured const& m) { return m.times->quantile(u); },
                      },
                      what_);
}

duration distribution::mean() const {
    return std::visit(overloaded{
                          [](constant const& c) { return c.value; },
                          [](exponential const& e) { return e.mean; },
                          [](log_normal const& l) { return l.mean; },
                          [](as_measured const& m) { return m.times->mean(); },
                      },
                      what_);
}

std::string distribution::text() const {
    return std::visit(
        overloaded{
            [](constant const& c) { return time_text(c.value); },
            [](exponential const& e) { return time_text(e.mean) + " on average, exponential"; },
            [](log_normal const& l) {
                return time_text(l.mean) + " on average, log-normal of sigma " + number_text(l.sigma);
            },
            [](as_measured const& m) {
                return time_text(m.times->mean()) + " on average, as " + count_text(m.times->calls()) +
                       " calls measured" + (m.times->source.empty() ? "" : " of " + m.times->source);
            },
        },
        what_);
}

std::shared_ptr<measured const> distribution::measured_times() const {
    auto const* m = std::get_if<as_measured>(&what_);
    return m == nullptr ? nullptr : m->times;
}

duration duration_of(std::string_view text) {
    auto const d = time_of(text);
    if (!d)
        throw std::invalid_argument("'" + std::string(text) +
                                    "' is no time: 250us, 10ms, 1.5s, 15min or 2h, at most 30 days");
    return *d;
}

distribution distribution_of(std::string_view text) {
    auto const colon = (std::min)(text.find(':'), text.size());
    auto const kind = text.substr(0, colon);
    auto const rest = text.substr((std::min)(colon + 1, text.size()));
    if (kind == "measured" && !rest.empty())
        return distribution::as_measured{
            std::make_shared<measured const>(read_measured_file(std::string(rest)))};
    auto const second = (std::min)(rest.find(':'), rest.size());
    auto const mean = time_of(rest.substr(0, second));
    if (!mean || *mean > std::chrono::hours(1))
        refuse(text);
    if (kind == "log-normal" && second < rest.size()) {
        auto const sigma = number_of(rest.substr(second + 1));
        if (!sigma || !(*sigma >= 0) || *sigma > 5)
            refuse(text);
        return distribution::log_normal{*mean, *sigma};
    }
    if (second != rest.size())
        refuse(text);
    if (kind == "constant")
        return distribution::constant{*mean};
    if (kind == "exponential")
        return distribution::exponential{*mean};
    refuse(text);
}

} // namespace lab
