// SPDX-License-Identifier: BSL-1.0
// Which strategy, and which limit, for a backend? Runs them side by side: against a simulated one in virtual time, or
// against a real one.

#include "../../examples/support/output_file.hpp"
#include "../../examples/support/program.hpp"
#include "arguments.hpp"
#include "endpoint_options.hpp"
#include "report.hpp"
#include "simulate.hpp"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace lab;

constexpr char const* about = "Runs fan-out strategies side by side against a simulated backend, in virtual "
                              "time, or against a real one, and\n"
                              "says which one the numbers speak for. Exit status 2 where an argument is "
                              "wrong, 1 where something else is,\n"
                              "128 and the signal's number where it was interrupted.";

constexpr std::size_t most_unlimited = 1'000'000; // 2 GB of them

std::sig_atomic_t volatile ended_by = 0;

// The second one kills.
extern "C" void on_signal(int number) {
    ended_by = number;
    interrupt_simulations();
    std::signal(number, SIG_DFL);
}

// Where somebody sits and waits.
class status_line {
public:
    void say(std::string const& text) const {
        if (shown_)
            std::fprintf(stderr, "\r\033[K%s", text.c_str());
    }
    ~status_line() { say(""); }

private:
    bool shown_ = isatty(STDERR_FILENO) == 1;
};

// Rows go to the table as they come, unless all is one JSON object in the end.
class printer {
public:
    printer(bool json, chapter const& c, told_chapter const& told)
        : told_(told), table_(json ? nullptr : std::make_unique<table>(std::cout, c.strategies)) {}

    // The head of the table; at the first row where it was not asked for.
    void begin() {
        if (table_ && !std::exchange(begun_, true))
            table_->begin(told_.title, told_.conditions);
    }
    void row(run_result const& r) {
        begin();
        if (table_)
            table_->row(r);
    }
    void end() {
        if (table_ && begun_)
            table_->end(told_);
    }

private:
    told_chapter const& told_;
    std::unique_ptr<table> table_;
    bool begun_ = false;
};

told_chapter simulated(chapter const& c, bool json) {
    told_chapter told{c.title,
                      conditions_of(c.work, c.backend.text()) + "; seed " + std::to_string(c.work.seed),
                      c.work,
                      {},
                      c.to_compare,
                      {},
                      {}};
    printer out(json, c, told);
    out.begin();
    status_line status;
    for (std::size_t i = 0; i < c.strategies.size() && !simulations_are_interrupted(); ++i) {
        auto const& how = c.strategies[i];
        if (how.admit.how == admission::kind::unlimited && c.work.inputs > most_unlimited) {
            told.left_out.push_back(how.name());
            continue;
        }
        status.say(how.name() + " (" + std::to_string(i + 1) + " of " + std::to_string(c.strategies.size()) +
                   ')');
        told.results.push_back(simulate(how, c.work, c.backend));
        status.say("");
        out.row(told.results.back());
    }
    told.advice = recommend(told.results);
    out.end();
    return told;
}

told_chapter real(chapter const& c, real_endpoints& endpoints, bool json, int& status) {
    told_chapter told{endpoints.title(), conditions_of(c.work, ""), c.work, {}, {}, {}, {}};
    printer out(json, c, told);
    auto const tell = [&](run_result const& r) {
        told.results.push_back(r);
        out.row(r);
    };
    status = endpoints.run(c.strategies, c.work, tell, json ? nullptr : &std::cout);
    told.advice = recommend(told.results);
    out.end();
    return told;
}

// By way of a file of our own, so that a disk that is full is noticed, and a half of a picture replaces nothing.
void write_svg(support::output_file& to, told_chapter const& told) {
    auto const points = points_of(told.results);
    auto const drawn = std::filesystem::temp_directory_path() / ("lab." + std::to_string(getpid()) + ".svg");
    draw(points, told.title, drawn.string());
    std::ifstream picture(drawn);
    std::filesystem::remove(drawn);
    try {
        to.write([&](std::ostream& out) { out << picture.rdbuf(); });
    } catch (std::system_error const& e) {
        throw std::runtime_error("cannot write " + to.name() + ": " + e.code().message());
    }
}

std::unique_ptr<support::output_file> svg_of(arguments const& a) {
    if (!a.svg)
        return nullptr;
    require_gnuplot();
    try {
        return std::make_unique<support::output_file>(*a.svg);
    } catch (std::system_error const& e) {
        throw support::bad_argument("--svg: cannot write " + *a.svg + ": " + e.code().message());
    }
}

int list_presets() {
    for (auto const& p : presets())
        std::cout << p.name << std::string(20 - p.name.size(), ' ') << p.about << '\n';
    return support::done;
}

int run(arguments const& a, real_endpoints& endpoints) {
    if (a.list_presets)
        return list_presets();
    auto const svg = svg_of(a);
    if (svg && svg->is_standard_output())
        throw support::bad_argument("--svg: standard output is for the table");

    auto status = support::done;
    std::vector<told_chapter> told;
    if (endpoints.asked_for()) {
        told.push_back(real(real_chapter_of(a), endpoints, a.json, status));
    } else {
        auto const chapters = chapters_of(a);
        std::signal(SIGINT, on_signal);
        std::signal(SIGTERM, on_signal);
        for (auto const& c : chapters)
            if (!simulations_are_interrupted())
                told.push_back(simulated(c, a.json));
        status = ended_by != 0 ? 128 + ended_by : support::done;
    }
    if (a.json)
        write_json(std::cout, told, a.seed, status >= 128, endpoints.comparison());
    if (svg && !points_of(told.back().results).empty())
        write_svg(*svg, told.back());
    return status;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app(about, "lab");
    arguments given;
    real_endpoints endpoints;
    add_options(app, given);
    endpoints.add_options(app);
    if (auto const status = support::parse(app, argc, argv))
        return *status;
    try {
        auto const status = run(given, endpoints);
        if (!std::cout.flush())
            return support::complain("lab", "cannot write to standard output", support::failed);
        return status;
    } catch (support::bad_argument const& e) {
        return support::complain("lab", std::string(e.what()) + " (--help tells what is allowed)",
                                 support::wrong_arguments);
    } catch (std::exception const& e) {
        return support::complain("lab", adapters::describe(e), support::failed);
    }
}
