// SPDX-License-Identifier: BSL-1.0
#include "strategy.hpp"

#include "text.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace lab {

namespace {

constexpr std::array admissions{"sequential",     "unlimited",         "window", "rate", "adaptive:aimd",
                                "adaptive:vegas", "adaptive:gradient2"};
constexpr std::array retries{"none", "constant", "exponential", "decorrelated", "polly"};
constexpr std::array budgets{"none", "token", "ratio"};

template <class Kinds, class Kind>
std::string name_of(Kinds const& names, Kind kind) {
    return names[static_cast<std::size_t>(kind)];
}

// The kind whose name this is.
template <class Kind, class Names>
bool find(Names const& names, std::string_view name, Kind& kind) {
    auto const found = std::ranges::find(names, name, [](char const* n) { return std::string_view(n); });
    if (found == names.end())
        return false;
    kind = static_cast<Kind>(found - names.begin());
    return true;
}

// "window:64" in two; the second is empty where there is no colon.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
    auto const colon = (std::min)(text.find(':'), text.size());
    return {text.substr(0, colon), text.substr((std::min)(colon + 1, text.size()))};
}

[[noreturn]] void refuse(std::string_view text, char const* right) {
    throw std::invalid_argument("'" + std::string(text) + "' is not " + right);
}

} // namespace

std::string admission::name() const {
    auto const n = name_of(admissions, how);
    return how == kind::window ? n + ':' + std::to_string(permits)
           : how == kind::rate ? n + ':' + number_in_name(per_second)
                               : n;
}

std::string retrying::name() const {
    return how == kind::none ? "none" : name_of(retries, how) + ':' + std::to_string(attempts);
}

std::string budgeting::name() const {
    return how == kind::ratio ? "ratio:" + number_in_name(ratio) : name_of(budgets, how);
}

std::string strategy::name() const {
    auto out = admit.name();
    if (retry.how != retrying::kind::none)
        out += ' ' + retry.name();
    if (budget.how != budgeting::kind::none)
        out += ' ' + budget.name();
    return out;
}

admission admission_of(std::string_view text) {
    constexpr auto right =
        "a strategy: sequential, unlimited, window:N (1 to 1000000), rate:N (starts per second, 0.001 to "
        "1000000), adaptive:aimd, adaptive:vegas or adaptive:gradient2";
    admission out;
    auto const [name, number] = split(text);
    if (name == "window") {
        auto const n = whole_number_of(number);
        if (!n || *n < 1 || *n > 1'000'000)
            refuse(text, right);
        out.how = admission::kind::window;
        out.permits = static_cast<std::size_t>(*n);
    } else if (name == "rate") {
        auto const n = number_of(number);
        if (!n || !(*n >= 0.001) || *n > 1e6)
            refuse(text, right);
        out.how = admission::kind::rate;
        out.per_second = *n;
    } else if (!find(admissions, text, out.how)) {
        refuse(text, right);
    }
    return out;
}

retrying retrying_of(std::string_view text) {
    constexpr auto right =
        "a retry policy: none, constant:N, exponential:N, decorrelated:N or polly:N (N attempts, 1 to "
        "1000; 4 where it is left out)";
    retrying out;
    auto const [name, number] = split(text);
    if (!find(retries, name, out.how))
        refuse(text, right);
    if (out.how != retrying::kind::none) {
        out.attempts = 4;
        if (name.size() < text.size()) {
            auto const n = whole_number_of(number);
            if (!n || *n < 1 || *n > 1000)
                refuse(text, right);
            out.attempts = static_cast<std::uint32_t>(*n);
        }
    } else if (name.size() < text.size()) {
        refuse(text, right);
    }
    return out;
}

budgeting budgeting_of(std::string_view text) {
    constexpr auto right =
        "a retry budget: none, token or ratio:R (retries per input, 0 to 100; 0.2 where it is left out)";
    budgeting out;
    auto const [name, number] = split(text);
    if (!find(budgets, name, out.how))
        refuse(text, right);
    if (name.size() < text.size()) {
        auto const n = number_of(number);
        if (out.how != budgeting::kind::ratio || !n || !(*n >= 0) || *n > 100)
            refuse(text, right);
        out.ratio = *n;
    }
    return out;
}

} // namespace lab
