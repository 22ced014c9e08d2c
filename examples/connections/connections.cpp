// SPDX-License-Identifier: BSL-1.0
// connections: the same fan-out of queries over pools of 1, 2, 4 … 32 connections, on a real MariaDB. See --help.
#include <fanout/limit/pool.hpp>
#include <fanout/observe/observer.hpp>
#include <fanout/observe/stats.hpp>
#include <fanout/when_all.hpp>

#include "../adapters/describe.hpp"
#include "../adapters/mysql.hpp"
#include "../support/program.hpp"
#include "../support/report.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iomanip>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using adapters::mysql_session;
using namespace std::chrono_literals;

constexpr std::array<std::size_t, 6> pool_sizes{1, 2, 4, 8, 16, 32};

constexpr char const* about = "Runs the same queries, all at once, over pools of 1, 2, 4, 8, 16 and 32 "
                              "connections to a MariaDB, and measures how\n"
                              "long all of them take: beside the ideal, which is the time of all queries "
                              "divided by the number of connections.\n"
                              "A query sleeps in the server, so that neither its processors nor its disks "
                              "are the limit. Each pool is full of\n"
                              "connections before its clock starts.";

constexpr char const* footer = "Environment: FANOUT_MYSQL_URL is the URL if --mysql is not given.\n"
                               "\n"
                               "Exit status: 0 each pool kept its connections busy and was no faster than "
                               "the ideal; 1 one was not, or an error,\n"
                               "such as --plot without gnuplot; 2 wrong arguments.";

struct arguments {
    std::string url;
    std::size_t queries = 200;
    std::chrono::milliseconds query_time = 10ms;
    std::string plot;
};

struct measured {
    std::size_t connections;
    std::chrono::nanoseconds wall;
    std::chrono::nanoseconds ideal;
    double parallelism;

    double ratio() const { return static_cast<double>(wall.count()) / static_cast<double>(ideal.count()); }
};

double milliseconds(std::chrono::nanoseconds d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

std::string fixed(double number, int digits) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(digits) << number;
    return out.str();
}

asio::awaitable<void> query(mysql_session& session, std::chrono::nanoseconds takes) {
    co_await session.execute("SELECT SLEEP(?)", std::chrono::duration<double>(takes).count());
}

using session_pool = fanout::pool<mysql_session>;

// Takes all connections at once, so that each is made, has prepared the query, and is idle then.
asio::awaitable<void> fill(session_pool& sessions) {
    std::vector<session_pool::lease> all;
    while (all.size() < sessions.size()) {
        auto one = co_await sessions.acquire();
        co_await query(*one, 0ms);
        all.push_back(std::move(one));
    }
    for (auto& one : all)
        one.give_back();
}

asio::awaitable<measured> measure(adapters::mysql_url url, std::size_t connections, arguments const& given,
                                  support::notebook& notes) {
    auto const name = "pool of " + std::to_string(connections);
    // [measure]
    session_pool sessions(connections, [url] { return adapters::open_mysql(url); });
    co_await fill(sessions);
    fanout::stats counted;
    auto const run_one = [&](std::size_t, mysql_session& session) {
        return query(session, given.query_time);
    };
    co_await fanout::when_all(std::views::iota(std::size_t{0}, given.queries), run_one, sessions,
                              fanout::observe(counted, notes.record(name)));
    // [/measure]
    auto const all = given.query_time * given.queries;
    co_return measured{connections, counted.wall_time(), std::chrono::nanoseconds(all) / connections,
                       counted.effective_parallelism()};
}

// No query is faster than it sleeps, so that the ideal cannot be beaten; and the pool was the limit, not the client.
bool is_right(measured const& m) {
    auto const size = static_cast<double>(m.connections);
    return m.wall >= m.ideal && m.parallelism > 0.5 * size && m.parallelism < 1.01 * size;
}

std::string title(arguments const& given) {
    return std::to_string(given.queries) + " queries of " + std::to_string(given.query_time.count()) + " ms";
}

void print(std::vector<measured> const& all, support::notebook& notes) {
    notes.say() << "connections   wall ms  ideal ms  ratio  parallelism\n";
    for (auto const& m : all) {
        notes.say() << std::setw(11) << m.connections << std::setw(10) << fixed(milliseconds(m.wall), 1)
                    << std::setw(10) << fixed(milliseconds(m.ideal), 1) << std::setw(7) << fixed(m.ratio(), 2)
                    << std::setw(13) << fixed(m.parallelism, 1) << '\n';
    }
    for (auto const& m : all) {
        notes.report("connections: pool of " + std::to_string(m.connections),
                     "ideal " + fixed(milliseconds(m.ideal), 1) + " ms",
                     fixed(milliseconds(m.wall), 1) + " ms, effective parallelism " +
                         fixed(m.parallelism, 1));
    }
}

asio::awaitable<bool> run(adapters::mysql_url url, arguments const& given, std::vector<measured>& all,
                          support::notebook& notes) {
    notes.say() << title(given) << std::endl;
    auto right = true;
    for (auto const connections : pool_sizes) {
        all.push_back(co_await measure(url, connections, given, notes));
        right = is_right(all.back()) && right;
    }
    print(all, notes);
    for (auto const n : {pool_sizes.front(), pool_sizes.back()})
        notes.tell("pool of " + std::to_string(n));
    co_return right;
}

// The plot's numbers: FILE.svg -> FILE.tsv.
std::string data_file(std::string const& plot) {
    auto const dot = plot.rfind('.');
    auto const slash = plot.rfind('/');
    auto const has_extension = dot != plot.npos && (slash == plot.npos || dot > slash + 1);
    return (has_extension ? plot.substr(0, dot) : plot) + ".tsv";
}

void write_data(std::string const& name, std::vector<measured> const& all) {
    std::ofstream out(name);
    out << "connections\twall_ms\tideal_ms\tratio\tparallelism\n";
    for (auto const& m : all) {
        out << m.connections << '\t' << fixed(milliseconds(m.wall), 3) << '\t'
            << fixed(milliseconds(m.ideal), 3) << '\t' << fixed(m.ratio(), 3) << '\t'
            << fixed(m.parallelism, 3) << '\n';
    }
    if (!out.flush())
        throw std::runtime_error("cannot write to " + name);
}

// As gnuplot reads it: nothing but a quote means anything between single quotes.
std::string quoted(std::string const& text) {
    std::string out = "'";
    for (char const c : text)
        out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + '\'';
}

// To gnuplot "| a" and "< a" are commands, "./| a" is a file.
std::string quoted_file(std::string const& name) {
    return quoted(name.starts_with('/') ? name : "./" + name);
}

// Within quotes, too, a newline ends gnuplot's command and begins another. What is wrong, or nothing.
std::string refuse_control_characters(std::string const& name) {
    auto const is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    return std::ranges::any_of(name, is_control) ? "the name has a control character, such as a newline" : "";
}

// Waits for a shell: not while an event loop runs.
bool is_gnuplot_there() {
    return std::system("command -v gnuplot >/dev/null 2>&1") == 0; // NOLINT: a command without data
}

// Gives gnuplot its commands and waits for it: not while an event loop runs.
void draw(arguments const& given, std::string const& data) {
    std::ostringstream commands;
    commands << "set terminal svg size 720,480\n"
             << "set output " << quoted_file(given.plot) << '\n'
             << "set title " << quoted(title(given)) << '\n'
             << "set xlabel 'connections'\nset ylabel 'wall time, ms'\n"
             << "set logscale xy\nset xtics (";
    for (auto const n : pool_sizes)
        commands << (n == 1 ? "" : ", ") << n;
    commands << ")\nset xrange [0.9:36]\nset grid\nset datafile separator tab\n"
             << "plot " << quoted_file(data) << " using 1:3 skip 1 with lines dashtype 2 title 'ideal', \\\n"
             << "     " << quoted_file(data)
             << " using 1:2 skip 1 with linespoints pointtype 7 title 'measured'\n";
    std::signal(SIGPIPE, SIG_IGN); // gnuplot may end before it has read all
    auto* const gnuplot = popen("gnuplot", "w");
    if (gnuplot == nullptr)
        throw std::runtime_error("cannot start gnuplot");
    std::fputs(commands.str().c_str(), gnuplot);
    if (pclose(gnuplot) != 0)
        throw std::runtime_error("gnuplot could not draw " + given.plot);
}

adapters::mysql_url parse(std::string const& given) {
    return support::url_from(adapters::parse_mysql_url, given, "--mysql", "FANOUT_MYSQL_URL");
}

} // namespace

int main(int argc, char** argv) {
    arguments given;
    std::vector<measured> all;
    CLI::App app(about, "connections");
    app.footer(footer);
    app.add_option("--mysql", given.url, "mysql://USER:PASSWORD@HOST:PORT/DATABASE")->type_name("URL");
    app.add_option("--queries", given.queries, "How many")
        ->check(CLI::Range(32, 100'000))
        ->capture_default_str();
    app.add_option_function<int>(
           "--query-time", [&](int ms) { given.query_time = std::chrono::milliseconds(ms); },
           "How long each one is")
        ->check(CLI::Range(1, 10'000))
        ->type_name("MS")
        ->default_str(std::to_string(given.query_time.count()));
    app.add_option("--plot", given.plot,
                   "Draws wall time against connections by gnuplot; the numbers go to FILE.tsv")
        ->check(refuse_control_characters)
        ->type_name("FILE.svg");
    auto can_draw = true;
    app.callback([&] { can_draw = given.plot.empty() || is_gnuplot_there(); });
    auto const job = [&](support::notebook& notes) {
        if (!can_draw)
            throw std::runtime_error("--plot needs gnuplot, which is not installed (on Debian: gnuplot-nox)");
        auto url = parse(given.url);
        if (!given.plot.empty())
            notes.say() << "to be drawn: " << given.plot << ", of the numbers in " << data_file(given.plot)
                        << '\n';
        return run(std::move(url), given, all, notes);
    };
    auto const status = support::run_program(app, argc, argv, job);
    if (status != support::done || given.plot.empty() || all.empty())
        return status;
    try {
        auto const data = data_file(given.plot);
        write_data(data, all);
        draw(given, data);
        return support::done;
    } catch (std::exception const& e) {
        return support::complain(app.get_name(), adapters::describe(e), support::failed);
    }
}
