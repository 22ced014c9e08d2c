// SPDX-License-Identifier: BSL-1.0
#include "program.hpp"

#include "pictures.hpp"

#include <boost/json.hpp>

#include <utility>
#include <vector>

namespace support {

namespace {

namespace json = boost::json;

struct output_options {
    pictures::options drawn;
    bool quiet = false, json = false;
};

void add_output_options(CLI::App& app, output_options& given) {
    constexpr char const* group = "Output";
    app.add_option("--trace", given.drawn.trace,
                   "Writes what ran when as Chrome trace events, for Perfetto and speedscope")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--waterfall", given.drawn.waterfall, "Draws what ran when as SVG")
        ->type_name("FILE")
        ->group(group);
    app.add_option("--only", given.drawn.only,
                   "The part to write and to draw, by its name in the picture; may be repeated")
        ->type_name("NAME")
        ->allow_extra_args(false)
        ->group(group);
    app.add_flag("--quiet", given.quiet, "Prints the rows of the result, and errors, and nothing else")
        ->disable_flag_override()
        ->group(group);
    app.add_flag("--json", given.json, "Prints one JSON object, and nothing else")
        ->disable_flag_override()
        ->group(group);
}

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

json::object to_json(notebook::part const& part) {
    auto const& recorded = part.recorded;
    auto const& all = recorded.totals();
    return {
        {"name", part.name},
        {"inputs", recorded.inputs() ? json::value(*recorded.inputs()) : json::value()},
        {"attempts", all.started()},
        {"fulfilled", all.fulfilled()},
        {"rejected", all.rejected()},
        {"timed_out", all.timed_out()},
        {"cancelled", all.cancelled()},
        {"not_started", all.not_started()},
        {"retries", all.retried()},
        {"peak_in_flight", all.peak_in_flight()},
        {"seconds", seconds(recorded.end())},
        {"parallelism", all.effective_parallelism()},
        {"latency", json::object{{"p50", seconds(all.quantile(0.5))},
                                 {"p90", seconds(all.quantile(0.9))},
                                 {"p99", seconds(all.quantile(0.99))},
                                 {"max", seconds(all.slowest())}}},
        {"waited", seconds(all.waited())},
    };
}

json::object to_json(std::string const& program, notebook const& notes, heartbeat const& beating, bool right,
                     std::string const& error) {
    json::array rows;
    for (auto const& row : notes.rows())
        rows.push_back(
            json::object{{"experiment", row.experiment}, {"article", row.article}, {"ours", row.ours}});
    json::array fan_outs;
    for (auto const& part : notes.parts())
        fan_outs.push_back(to_json(part));
    auto const worst = std::chrono::duration_cast<std::chrono::milliseconds>(beating.worst());
    return {
        {"program", program},
        {"right", right},
        {"error", error.empty() ? json::value() : json::value(error)},
        {"rows", std::move(rows)},
        {"heartbeat",
         json::object{{"beats", beating.beats()}, {"late", beating.late()}, {"worst_ms", worst.count()}}},
        {"fan_outs", std::move(fan_outs)},
    };
}

int run(std::string const& name, output_options const& given, job const& work) {
    pictures drawn(name, given.drawn);
    if (given.json && drawn.are_on_standard_output())
        throw bad_argument("--json leaves no room on standard output for a picture");
    notebook notes(given.json ? nullptr : &std::cout, given.json || given.quiet ? nullptr : &std::cout);

    boost::asio::io_context context(1);
    std::exception_ptr failure;
    auto right = false;
    heartbeat beating(context.get_executor());
    boost::asio::co_spawn(context, work(notes), [&](std::exception_ptr thrown, bool result) {
        failure = thrown;
        right = result;
        beating.stop();
    });
    context.run();

    std::vector<std::string> wrong;
    try {
        if (failure)
            std::rethrow_exception(failure);
    } catch (bad_argument const&) {
        throw;
    } catch (...) {
        wrong.push_back(adapters::describe(failure));
    }
    if (!failure)
        notes.say() << beating << '\n';
    if (given.json)
        std::cout << to_json(name, notes, beating, right, failure ? wrong.front() : "") << '\n';
    if (!std::cout.flush())
        wrong.emplace_back("cannot write to standard output");
    for (auto const& complaint : drawn.write(notes))
        wrong.push_back(complaint);
    if (!right && !failure)
        wrong.emplace_back("not everything came out as it should");
    for (auto const& complaint : wrong)
        complain(name, complaint, failed);
    return wrong.empty() ? done : failed;
}

} // namespace

int run_program(CLI::App& app, int argc, char** argv, job const& work) {
    auto const name = app.get_name();
    output_options given;
    add_output_options(app, given);
    if (auto const status = parse(app, argc, argv))
        return *status;
    try {
        return run(name, given, work);
    } catch (bad_argument const& e) {
        return complain(name, std::string(e.what()) + " (--help tells what is allowed)", wrong_arguments);
    } catch (std::exception const& e) {
        return complain(name, adapters::describe(e), failed);
    }
}

} // namespace support
