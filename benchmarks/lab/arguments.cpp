// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"

#include "../../examples/support/program.hpp"
#include "text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <utility>

namespace lab {

using support::bad_argument;

namespace {

constexpr double most_inputs = 1e7;

// What `parse` makes of the text; its complaint gets the option's name.
template <class Parse>
auto parsed(char const* option, std::string const& text, Parse parse) {
    try {
        return parse(text);
    } catch (std::exception const& e) {
        throw bad_argument(std::string(option) + ": " + e.what());
    }
}

template <class Parse, class T>
void set(char const* option, std::optional<std::string> const& text, Parse parse, T& to) {
    if (text)
        to = parsed(option, *text, parse);
}

// A number within bounds, "1e7" too.
auto number_within(double least, double most) {
    return [=](std::string const& text) {
        auto const n = number_of(text);
        if (!n || !(*n >= least) || *n > most)
            throw std::invalid_argument('\'' + text + "' is no number from " + number_in_name(least) +
                                        " to " + number_text(most));
        return *n;
    };
}

auto whole_within(double least, double most) {
    return [=](std::string const& text) {
        auto const n = number_within(least, most)(text);
        if (n != std::floor(n))
            throw std::invalid_argument('\'' + text + "' is no whole number");
        return static_cast<std::size_t>(n);
    };
}

template <class Parse>
auto all_parsed(char const* option, std::vector<std::string> const& texts, Parse parse) {
    std::vector<decltype(parse(std::string_view()))> out;
    for (auto const& text : texts)
        out.push_back(parsed(option, text, parse));
    return out;
}

void apply(arguments const& a, workload& work) {
    set("--scale", a.scale, whole_within(1, most_inputs), work.inputs);
    set("--deadline", a.deadline, duration_of, work.deadline);
    set("--attempt-timeout", a.attempt_timeout, duration_of, work.attempt_timeout);
    work.most_in_flight = a.most_in_flight.value_or(work.most_in_flight);
    work.seed = a.seed;
}

void apply(arguments const& a, backend_options& backend) {
    set("--service", a.service, distribution_of, backend.service);
    if (auto const measured = backend.service.measured_times(); a.service && measured) {
        backend.capacity = static_cast<std::size_t>(std::llround(measured->capacity));
        backend.network = duration::zero(); // it was measured at the client
    }
    set("--network", a.network, duration_of, backend.network);
    set("--capacity", a.capacity, whole_within(0, 1e6), backend.capacity);
    if (a.throttle) {
        backend.throttle = parsed("--throttle", *a.throttle, number_within(0, 1e9));
        backend.burst = (std::max)(1.0, backend.throttle); // what a second grants
    }
    set("--burst", a.burst, number_within(1, 1e9), backend.burst);
    set("--errors", a.errors, number_within(0, 1), backend.errors);
    set("--connection-limit", a.connection_limit, whole_within(0, 1e9), backend.connections);
    backend.seed = a.seed;
}

// Where strategies, retries or budgets are given, they take the place of a chapter's own.
void apply(arguments const& a, chapter& c, std::vector<admission> const& own) {
    if (!c.strategies.empty() && a.strategies.empty() && a.retries.empty() && a.budgets.empty())
        return;
    auto admissions = all_parsed("--strategy", a.strategies, admission_of);
    auto retries = all_parsed("--retry", a.retries, retrying_of);
    auto budgets = all_parsed("--budget", a.budgets, budgeting_of);
    if (admissions.empty())
        admissions = own;
    if (retries.empty())
        retries = {retrying_of("exponential:4")};
    if (budgets.empty())
        budgets = {budgeting{}};
    c.strategies = combined(admissions, retries, budgets);
}

std::vector<admission> admissions_of(chapter const& c) {
    if (c.strategies.empty())
        return usual_admissions(c.backend);
    std::vector<admission> out;
    for (auto const& s : c.strategies)
        if (std::ranges::find(out, s.admit) == out.end())
            out.push_back(s.admit);
    return out;
}

preset const& preset_of(std::string const& name) {
    for (auto const& p : presets())
        if (p.name == name)
            return p;
    throw bad_argument("--preset: '" + name + "' is not known; --list-presets tells which are");
}

chapter plain() {
    return {.title = "A simulated backend",
            .work = {.inputs = 10'000},
            .backend = {.capacity = 64, .service = distribution::exponential{std::chrono::milliseconds(10)}},
            .strategies = {}};
}

} // namespace

void add_options(CLI::App& app, arguments& a) {
    constexpr char const *what = "What is run", *backend = "The simulated backend", *output = "Output";
    auto const text = [&app](char const* group, char const* name, auto& value, char const* type,
                             char const* about) {
        app.add_option(name, value, about)->type_name(type)->group(group);
    };
    auto const list = [&app](char const* name, auto& values, char const* about) {
        app.add_option(name, values, about)->type_name("NAME")->allow_extra_args(false)->group("What is run");
    };
    text(what, "--preset", a.preset, "NAME", "One of --list-presets; what else is given changes it");
    app.add_flag("--list-presets", a.list_presets, "Tells the presets")->group(what);
    list("--strategy", a.strategies,
         "sequential, unlimited, window:N, rate:N (starts per second), adaptive:aimd, adaptive:vegas or "
         "adaptive:gradient2; may be repeated");
    list("--retry", a.retries,
         "none, constant:N, exponential:N, decorrelated:N or polly:N, with N attempts; exponential:4 by "
         "default; "
         "may be repeated: each strategy is run with each");
    list("--budget", a.budgets,
         "none (the default), token or ratio:R (retries per input); may be repeated: likewise");
    text(what, "--scale", a.scale, "N", "How many inputs, up to 1e7");
    text(what, "--deadline", a.deadline, "TIME",
         "When the whole ends, as 15min; what has not begun by then never does");
    text(what, "--attempt-timeout", a.attempt_timeout, "TIME", "How long an attempt may take");
    app.add_option("--most-in-flight", a.most_in_flight,
                   "What an adaptive limit never goes above; 1000 by default")
        ->check(CLI::Range(1, 1'000'000))
        ->type_name("N")
        ->group(what);
    app.add_option("--seed", a.seed, "Of all that is drawn; the same seed, the same bytes")
        ->capture_default_str()
        ->type_name("N")
        ->group(what);

    text(backend, "--service", a.service, "HOW",
         "How long a call takes: constant:10ms, exponential:10ms, log-normal:540ms:0.2 (mean, and sigma of "
         "the "
         "logarithm) or measured:FILE, whose capacity holds then, without a network");
    text(backend, "--network", a.network, "TIME",
         "What a call takes on its way there and back; 1ms by default");
    text(backend, "--capacity", a.capacity, "N", "Calls served at once, the others wait; 0: any number");
    text(backend, "--throttle", a.throttle, "N", "Calls accepted per second; 0: any number");
    text(backend, "--burst", a.burst, "N",
         "Calls accepted at once after a pause; by default what a second grants");
    text(backend, "--errors", a.errors, "SHARE", "What share of the calls fails, from 0 to 1");
    text(backend, "--connection-limit", a.connection_limit, "N",
         "Calls in flight, above which one is refused; 0: none");

    app.add_flag("--json", a.json, "Prints one JSON object, and nothing else")
        ->disable_flag_override()
        ->group(output);
    text(output, "--svg", a.svg, "FILE",
         "Draws goodput and p99 against the limit, by gnuplot; of a preset's last chapter");
}

std::vector<chapter> chapters_of(arguments const& a) {
    auto chapters = a.preset ? preset_of(*a.preset).chapters : std::vector{plain()};
    for (auto& c : chapters) {
        apply(a, c.work);
        apply(a, c.backend);
        apply(a, c, admissions_of(c));
    }
    return chapters;
}

chapter real_chapter_of(arguments const& a) {
    std::pair<char const*, bool> const simulated[] = {
        {"--preset", a.preset.has_value()},     {"--service", a.service.has_value()},
        {"--network", a.network.has_value()},   {"--capacity", a.capacity.has_value()},
        {"--throttle", a.throttle.has_value()}, {"--burst", a.burst.has_value()},
        {"--errors", a.errors.has_value()},     {"--connection-limit", a.connection_limit.has_value()}};
    for (auto const& [option, given] : simulated)
        if (given)
            throw bad_argument(std::string(option) + " is for the simulated backend, not for a real one");
    chapter c;
    c.work.inputs = 1000;
    apply(a, c.work);
    apply(a, c, usual_admissions({}));
    return c;
}

} // namespace lab
