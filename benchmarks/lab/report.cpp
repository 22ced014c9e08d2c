// SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include <fanout/detail/json_writer.hpp>
#include <fanout/detail/number_text.hpp>

#include "text.hpp"

#include <algorithm>
#include <string_view>

namespace lab {

namespace {

using fanout::detail::json_writer;

std::string padded(std::string text, std::size_t width, bool left = false) {
    auto const missing = width > text.size() ? width - text.size() : 0;
    return left ? text + std::string(missing, ' ') : std::string(missing, ' ') + text;
}

struct column {
    char const* title;
    std::size_t width;
    std::string (*text)(run_result const&);
};

constexpr column columns[] = {
    {"wall time", 11, [](run_result const& r) { return time_text(r.wall); }},
    {"goodput/s", 10, [](run_result const& r) { return number_text(r.goodput()); }},
    {"p50", 9, [](run_result const& r) { return r.fulfilled > 0 ? time_text(r.p50) : "-"; }},
    {"p99", 9, [](run_result const& r) { return r.fulfilled > 0 ? time_text(r.p99) : "-"; }},
    {"attempts/input", 15, [](run_result const& r) { return fixed_text(r.attempts_per_input(), 2); }},
    {"fulfilled", 11, [](run_result const& r) { return count_text(r.fulfilled); }},
    {"rejected", 11, [](run_result const& r) { return count_text(r.rejected); }},
    {"not started", 12, [](run_result const& r) { return count_text(r.not_started); }},
    {"in flight", 11, [](run_result const& r) { return count_text(r.peak_in_flight); }},
};

void number(json_writer& json, std::string_view key, double value) {
    json.raw(key, fanout::detail::fixed(value, 6));
}

void write(json_writer& json, run_result const& r) {
    json.open("");
    json.text("strategy", r.how.name());
    json.text("admission", r.how.admit.name());
    json.text("retry", r.how.retry.name());
    json.text("budget", r.how.budget.name());
    number(json, "wall_seconds", seconds_of(r.wall));
    number(json, "goodput", r.goodput());
    number(json, "p50_seconds", seconds_of(r.p50));
    number(json, "p99_seconds", seconds_of(r.p99));
    json.number("inputs", r.inputs);
    json.number("fulfilled", r.fulfilled);
    json.number("rejected", r.rejected);
    json.number("not_started", r.not_started);
    json.number("attempts", r.attempts);
    number(json, "attempts_per_input", r.attempts_per_input());
    json.number("overloads", r.overloads);
    json.number("peak_in_flight", r.peak_in_flight);
    number(json, "mean_in_flight", r.mean_in_flight);
    json.number("result_bytes", r.held);
    json.raw("interrupted", r.interrupted ? "true" : "false");
    json.close();
}

void write(json_writer& json, told_chapter const& c) {
    json.open("");
    json.text("title", c.title);
    json.text("conditions", c.conditions);
    json.number("inputs", c.work.inputs);
    if (c.work.deadline)
        number(json, "deadline_seconds", seconds_of(*c.work.deadline));
    else
        json.raw("deadline_seconds", "null");
    json.open("results", '[');
    for (auto const& r : c.results)
        write(json, r);
    json.close(']');
    json.open("left_out", '[');
    for (auto const& name : c.left_out)
        json.text("", name);
    json.close(']');
    json.open("recommendation");
    json.open("strategies", '[');
    for (auto const i : c.advice.best)
        json.text("", c.results[i].how.name());
    json.close(']');
    json.text("text", c.advice.text);
    json.close();
    json.close();
}

} // namespace

std::string conditions_of(workload const& work, std::string const& backend) {
    auto out = count_text(work.inputs) + " inputs";
    if (work.deadline)
        out += " within " + time_text(*work.deadline);
    if (work.attempt_timeout)
        out += ", each attempt within " + time_text(*work.attempt_timeout);
    return backend.empty() ? out : out + "; " + backend;
}

table::table(std::ostream& out, std::vector<strategy> const& strategies) : out_(out), width_(8) {
    for (auto const& s : strategies)
        width_ = (std::max)(width_, s.name().size());
}

void table::begin(std::string const& title, std::string const& conditions) {
    out_ << title << '\n' << conditions << "\n\n" << padded("strategy", width_, true);
    for (auto const& c : columns)
        out_ << padded(c.title, c.width + 1);
    out_ << std::endl;
}

void table::row(run_result const& r) {
    out_ << padded(r.how.name(), width_, true);
    for (auto const& c : columns)
        out_ << padded(c.text(r), c.width + 1);
    out_ << (r.interrupted ? "  (interrupted)" : "") << std::endl;
}

void table::end(told_chapter const& c) {
    out_ << '\n';
    for (auto const& told : c.to_compare)
        for (auto const& r : c.results)
            if (r.how.name() == told.strategy && !r.interrupted) {
                auto const off = (seconds_of(r.wall) / seconds_of(told.wall) - 1) * 100;
                out_ << told.strategy << ": " << time_text(told.wall) << " in the article, "
                     << time_text(r.wall) << " here (" << (off < 0 ? "" : "+") << fixed_text(off, 1)
                     << " %)\n";
            }
    for (auto const& name : c.left_out)
        out_ << name << ": left out, for all that is in flight takes 2 KB each\n";
    out_ << c.advice.text << "\n\n" << std::flush;
}

void write_json(std::ostream& out, std::vector<told_chapter> const& chapters, std::uint32_t seed,
                bool interrupted, std::string const& comparison) {
    json_writer json(out);
    json.open("");
    json.text("program", "lab");
    json.number("seed", seed);
    json.raw("interrupted", interrupted ? "true" : "false");
    json.open("chapters", '[');
    for (auto const& c : chapters)
        write(json, c);
    json.close(']');
    if (!comparison.empty())
        json.raw("comparison", comparison);
    json.close();
    out << '\n' << std::flush;
}

std::vector<plot_point> points_of(std::vector<run_result> const& results) {
    std::vector<plot_point> out;
    for (auto const& r : results) {
        if (r.fulfilled == 0 || r.interrupted)
            continue;
        auto const& admit = r.how.admit;
        auto const rest = r.how.name().substr(admit.name().size());
        plot_point p{"", r.how.name(), r.mean_in_flight, r.goodput(), r.p99};
        if (admit.how == admission::kind::window || admit.how == admission::kind::sequential) {
            p.series = "window" + rest;
            p.limit = admit.how == admission::kind::window ? static_cast<double>(admit.permits) : 1;
        } else if (admit.how == admission::kind::unlimited) {
            p.limit = static_cast<double>(r.peak_in_flight);
        }
        out.push_back(p);
    }
    return out;
}

} // namespace lab
