// SPDX-License-Identifier: BSL-1.0
#include "recommendation.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace lab {

namespace {

using results = std::vector<run_result>;
using indices = std::vector<std::size_t>;

constexpr double equal = 1.05;

double wall(run_result const& r) { return seconds_of(r.wall); }
double attempts(run_result const& r) { return static_cast<double>(r.attempts); }
double p99(run_result const& r) { return seconds_of(r.p99); }

template <class Measure>
std::size_t least(results const& all, indices const& of, Measure measure) {
    return *std::ranges::min_element(of, {}, [&](std::size_t i) { return measure(all[i]); });
}

// Those that differ from the least by less than 5 %.
template <class Measure>
indices lowest(results const& all, indices const& of, Measure measure) {
    auto const bound = measure(all[least(all, of, measure)]) * equal;
    indices out;
    std::ranges::copy_if(of, std::back_inserter(out),
                         [&](std::size_t i) { return measure(all[i]) <= bound; });
    return out;
}

indices without(indices const& of, indices const& some) {
    indices out;
    std::ranges::copy_if(of, std::back_inserter(out),
                         [&](std::size_t i) { return std::ranges::find(some, i) == some.end(); });
    return out;
}

std::string name(results const& all, std::size_t i) { return all[i].how.name(); }

// "a", "a and b", "a, b and c"
std::string names(results const& all, indices const& of) {
    std::string out;
    for (std::size_t k = 0; k < of.size(); ++k)
        out += (k == 0 ? "" : k + 1 == of.size() ? " and " : ", ") + name(all, of[k]);
    return out;
}

// "30 % longer", "2.5 times as long"
std::string longer(double a, double b) {
    if (b > 0 && a / b < 1.95)
        return number_text(std::round((a / b - 1) * 100)) + " % longer";
    return number_text(a / b) + " times as long";
}

std::string fulfilled(run_result const& r) {
    if (r.is_complete())
        return "all " + count_text(r.inputs) + " inputs";
    auto const share = 100.0 * static_cast<double>(r.fulfilled) / static_cast<double>(r.inputs);
    return count_text(r.fulfilled) + " of " + count_text(r.inputs) + " inputs (" + fixed_text(share, 1) +
           " %)";
}

// Why the next one, which fulfils as much, is not the one: "; the next, window:64, takes 30 % longer".
std::string next(results const& all, indices const& equals, indices const& best) {
    auto const others = without(equals, best);
    if (others.empty())
        return "";
    auto const i = least(all, others, wall);
    auto const& a = all[i];
    auto const& b = all[best.front()];
    auto const as_fast = "; " + name(all, i) + " is as fast, but ";
    if (wall(a) > equal * wall(b))
        return "; the next, " + name(all, i) + ", takes " + longer(wall(a), wall(b));
    if (attempts(a) > equal * attempts(b))
        return as_fast + "makes " + fixed_text(a.attempts_per_input(), 2) + " attempts per input, not " +
               fixed_text(b.attempts_per_input(), 2);
    return as_fast + "the p99 of a child is " + time_text(a.p99) + ", not " + time_text(b.p99);
}

std::string losses(results const& all, indices const& of, indices const& equals) {
    auto const losing = without(of, equals);
    if (losing.empty())
        return "";
    auto const i = least(all, losing, [](run_result const& r) { return static_cast<double>(r.fulfilled); });
    auto const lost = all[i].inputs - all[i].fulfilled;
    return "; " + (losing.size() == 1
                       ? name(all, i) + " does not fulfil " + count_text(lost)
                       : std::to_string(losing.size()) + " of the " + std::to_string(of.size()) +
                             " strategies do not fulfil as many, least of all " + name(all, i) +
                             ", which leaves " + count_text(lost));
}

} // namespace

recommendation recommend(results const& all) {
    indices ran;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (!all[i].interrupted && all[i].inputs > 0)
            ran.push_back(i);
    if (ran.size() < 2)
        return {{}, "There is nothing to compare: fewer than two strategies ran to their end."};

    std::size_t most = 0;
    for (auto const i : ran)
        most = (std::max)(most, all[i].fulfilled);
    if (most == 0)
        return {{}, "None of these strategies fulfils a single input."};
    // A lost input is a loss. Where each loses some, a hundredth more or less is chance.
    auto const complete = std::ranges::any_of(ran, [&](std::size_t i) { return all[i].is_complete(); });
    auto const enough = complete ? static_cast<double>(most) : 0.99 * static_cast<double>(most);
    indices equals;
    std::ranges::copy_if(ran, std::back_inserter(equals),
                         [&](std::size_t i) { return static_cast<double>(all[i].fulfilled) >= enough; });

    auto best = lowest(all, lowest(all, lowest(all, equals, wall), attempts), p99);
    std::ranges::sort(best, {}, [&](std::size_t i) { return std::pair(all[i].wall, i); });
    auto const& b = all[best.front()];
    auto text = best.size() == 1
                    ? "Use " + name(all, best.front()) + ": it fulfils "
                    : "Use any of " + names(all, best) +
                          ", which these numbers do not separate (less than 5 % lies between them): "
                          "the fastest fulfils ";
    text += fulfilled(b) + " in " + time_text(b.wall);
    text += complete ? "" : ", and none fulfils all";
    text += next(all, equals, best) + losses(all, ran, equals) + '.';
    return {best, text};
}

} // namespace lab
