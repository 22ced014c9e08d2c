// SPDX-License-Identifier: BSL-1.0
#include "endpoint_options.hpp"

#include <fanout/detail/json_writer.hpp>

#include "../../examples/adapters/dynamodb.hpp"
#include "../../examples/adapters/url.hpp"
#include "../../examples/support/output_file.hpp"
#include "../../examples/support/program.hpp"
#include "endpoint_compare.hpp"
#include "endpoint_dynamodb.hpp"
#include "endpoint_mysql.hpp"
#include "endpoint_run.hpp"
#include "simulate.hpp"
#include "text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace lab {

using support::bad_argument;

struct real_endpoints::options {
    CLI::Option* mysql = nullptr;
    CLI::Option* dynamodb = nullptr;
    std::vector<CLI::Option*> others; // that mean nothing without one of these
    std::string mysql_url, dynamodb_url;
    std::size_t connections = 0;
    std::size_t rounds = 0; // 0: 5 to compare, else 1
    double tolerance = 10;  // per cent
    std::chrono::nanoseconds sleep{0};
    std::string measure;
    bool compare = false;
    std::optional<rankings> compared;

    bool is_mysql() const { return mysql && mysql->count() > 0; }
    adapters::mysql_url parsed_mysql() const {
        return support::url_from(adapters::parse_mysql_url, mysql_url, "--mysql URL", "FANOUT_MYSQL_URL");
    }
    adapters::http_url parsed_dynamodb() const {
        return support::url_from(adapters::parse_http_url, dynamodb_url, "--dynamodb URL",
                                 "FANOUT_DYNAMODB_URL");
    }
    std::unique_ptr<server> make(boost::asio::io_context& io, std::size_t inputs) const;
};

namespace {

// Enough that no two updates at once are of the same row, but where that is what the inputs ask for.
constexpr std::size_t least_rows = 4096, most_rows = 1'000'000;

// As many runs as in reality, of which the best counts, as it does there.
double simulated_goodput(strategy const& how, workload work, backend_options backend, std::size_t rounds) {
    double best = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        auto const r = simulate(how, work, backend);
        if (r.interrupted)
            throw std::runtime_error("interrupted while it simulated");
        best = (std::max)(best, r.goodput());
        ++backend.seed;
        ++work.seed;
    }
    return best;
}

rankings compare(real_run_result const& real, workload const& work, std::size_t rounds, double tolerance) {
    backend_options backend;
    backend.capacity =
        (std::max)(static_cast<std::size_t>(std::llround(real.times->capacity)), std::size_t{1});
    backend.service = distribution::as_measured{std::make_shared<measured const>(*real.times)};
    backend.network = duration::zero(); // the measured times are the client's
    backend.seed = work.seed;
    std::vector<compared> rows;
    for (auto const& r : real.results)
        rows.push_back({r.how.name(), r.goodput(), simulated_goodput(r.how, work, backend, rounds)});
    return rankings(std::move(rows), tolerance);
}

} // namespace

std::unique_ptr<server> real_endpoints::options::make(boost::asio::io_context& io, std::size_t inputs) const {
    auto const rows = std::clamp(inputs, least_rows, most_rows);
    if (is_mysql())
        return make_mysql_server({parsed_mysql(), connections, sleep, rows});
    if (sleep.count() != 0)
        throw bad_argument("--sleep: DynamoDB does not sleep");
    dynamodb_options out{parsed_dynamodb(), {}, connections, rows};
    try {
        out.credentials = adapters::credentials_from_environment(out.url);
    } catch (std::runtime_error const& e) {
        throw bad_argument(std::string("--dynamodb: ") + e.what());
    }
    return make_dynamodb_server(io.get_executor(), std::move(out));
}

real_endpoints::real_endpoints() : options_(std::make_unique<options>()) {}
real_endpoints::~real_endpoints() = default;

void real_endpoints::add_options(CLI::App& app) {
    constexpr char const* group = "A real server, in real time";
    auto& o = *options_;
    o.mysql =
        app.add_option("--mysql", o.mysql_url,
                       "mysql://USER:PASSWORD@HOST:PORT/DATABASE, by default FANOUT_MYSQL_URL: each input "
                       "is an update of one row, in a table made for it and dropped at the end")
            ->type_name("[URL]")
            ->expected(0, 1)
            ->group(group);
    o.dynamodb = app.add_option("--dynamodb", o.dynamodb_url,
                                "http(s)://HOST:PORT, by default FANOUT_DYNAMODB_URL: each input is an "
                                "UpdateItem, in a table made for it and deleted at the end")
                     ->type_name("[URL]")
                     ->expected(0, 1)
                     ->excludes(o.mysql)
                     ->group(group);
    auto const add = [&](CLI::Option* option) { o.others.push_back(option->group(group)); };
    add(app.add_option("--connections", o.connections,
                       "At most so many, for which calls wait; by default as many as MySQL has left, and no "
                       "more than 256. What a server refuses is tried again by the calls")
            ->check(CLI::Range(1, 100'000))
            ->type_name("N"));
    add(app.add_option_function<std::string>(
               "--sleep",
               [&o](std::string const& text) {
                   auto const time = time_of(text);
                   if (!time || *time > std::chrono::minutes(1))
                       throw CLI::ValidationError("--sleep", "a time as 5ms or 1.5s, of a minute at most");
                   o.sleep = *time;
               },
               "MySQL sleeps for so long in each update")
            ->type_name("TIME"));
    add(app.add_option("--measure", o.measure,
                       "Writes how long a call takes, and how many are served at once, for "
                       "--service measured:FILE; runs no strategies unless --compare is given, too")
            ->type_name("FILE"));
    add(app.add_flag(
               "--compare", o.compare,
               "Measures, runs the strategies, simulates them with what was measured, and tells whether both "
               "rank them alike; exit status 1 where they do not")
            ->disable_flag_override());
    add(app.add_option("--tolerance", o.tolerance, "To --compare, goodputs so close are equal")
            ->check(CLI::Range(0.0, 100.0))
            ->type_name("PERCENT")
            ->capture_default_str());
    add(app.add_option("--rounds", o.rounds,
                       "Each round runs all strategies; of each, the run with the most goodput counts, for "
                       "it was disturbed the least. By default 5 with --compare, else 1")
            ->check(CLI::Range(1, 100))
            ->type_name("N"));
}

bool real_endpoints::asked_for() const {
    auto const& o = *options_;
    if (o.is_mysql() || (o.dynamodb && o.dynamodb->count() > 0))
        return true;
    for (auto const* option : o.others) {
        if (option->count() > 0)
            throw bad_argument(option->get_name() + " needs --mysql or --dynamodb");
    }
    return false;
}

std::string real_endpoints::title() const {
    auto const& o = *options_;
    auto const sleeping =
        o.sleep.count() != 0 ? ", which sleeps " + time_text(o.sleep) + " in each update" : "";
    if (o.is_mysql()) {
        auto const url = o.parsed_mysql();
        return "MySQL at " + url.host + ':' + std::to_string(url.port) + sleeping;
    }
    return "DynamoDB at " + o.parsed_dynamodb().authority();
}

int real_endpoints::run(std::vector<strategy> const& strategies, workload const& work,
                        std::function<void(run_result const&)> const& tell, std::ostream* out) {
    auto& o = *options_;
    std::optional<support::output_file> file;
    try {
        if (!o.measure.empty())
            file.emplace(o.measure);
    } catch (std::system_error const& e) {
        throw bad_argument("--measure: cannot write '" + o.measure + "': " + e.code().message());
    }
    real_run all;
    all.work = work;
    all.measures = o.compare || file;
    if (o.compare || !file)
        all.strategies = strategies;
    all.rounds = o.rounds != 0 ? o.rounds : o.compare ? 5 : 1;
    all.tell = tell;
    all.out = out;
    // Not made in one expression with what it is used by: it outlives what is connected by it.
    boost::asio::io_context io(1);
    auto const to = o.make(io, work.inputs);
    auto const real = run_against(io, *to, all);
    if (file && real.times) {
        file->write([&](std::ostream& to_file) { write(to_file, *real.times); });
        if (out)
            *out << "written to " << file->name() << std::endl;
    }
    if (real.signal != 0)
        return 128 + real.signal;
    if (!o.compare)
        return support::done;
    o.compared = compare(real, work, all.rounds, o.tolerance / 100);
    if (out)
        print(*out << '\n', *o.compared);
    return o.compared->agrees() ? support::done : support::failed;
}

std::string real_endpoints::comparison() const {
    if (!options_->compared)
        return {};
    auto const& found = *options_->compared;
    std::ostringstream text;
    fanout::detail::json_writer json(text);
    json.open("");
    json.raw("agrees", found.agrees() ? "true" : "false");
    json.raw("tolerance", number_in_name(found.tolerance()));
    json.number("same_order", found.same_order());
    json.number("equal", found.equal());
    json.number("too_close", found.too_close());
    json.open("strategies", '[');
    for (std::size_t i = 0; i < found.rows().size(); ++i) {
        auto const& row = found.rows()[i];
        json.open("");
        json.text("strategy", row.name);
        json.number("rank_real", found.rank_real(i));
        json.number("rank_simulated", found.rank_simulated(i));
        json.raw("goodput_real", number_in_name(row.real));
        json.raw("goodput_simulated", number_in_name(row.simulated));
        json.close();
    }
    json.close(']');
    json.open("disagreements", '[');
    for (auto const& [first, second] : found.disagreements()) {
        json.open("", '[');
        json.text("", found.rows()[first].name);
        json.text("", found.rows()[second].name);
        json.close(']');
    }
    json.close(']');
    json.close();
    return text.str();
}

} // namespace lab
