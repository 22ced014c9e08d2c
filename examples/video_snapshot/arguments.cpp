// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"

#include <fanout/version.hpp>

#include "values.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <string_view>

namespace snapshot {

char const* to_string(strategy s) {
    switch (s) {
    case strategy::sequential: return "sequential";
    case strategy::when_all: return "when_all";
    case strategy::settled: return "settled";
    case strategy::retry: break;
    }
    return "retry";
}

std::string how_text(arguments const& all) {
    std::string text = to_string(all.how);
    return all.how == strategy::sequential ? text : text + ", limit " + all.limit.given;
}

namespace {

constexpr char const* about =
    "Records every video's view count of today: reads the table VIDEO(VIDEO_ID, VIEW) and appends {date, "
    "view_count}\n"
    "to each video's history, one conditional write per video, many at a time. A video whose day is recorded "
    "is left\n"
    "as it is, so any run may be repeated, and a later run does only what is missing.\n"
    "Without --mysql and --dynamodb, source and target are one SQLite file behind a simulated network.";

constexpr char const* footer =
    "Strategies (on a failed write):\n"
    "  sequential  one after another, as a plain loop: stops at the first failure; ignores --limit\n"
    "  when_all    many at a time; the first failure cancels the others, and nothing more starts\n"
    "  settled     many at a time; every video is tried once\n"
    "  retry       as settled, and what failed for a passing cause is tried again (throttling, timeouts, "
    "dropped\n"
    "              connections, server errors), up to --max-attempts, with exponential backoff\n"
    "\n"
    "Limits (of the writes, their retries included):\n"
    "  N           at most N under way at once, 1 to 1000000\n"
    "  unlimited   all at once\n"
    "  rate:N/s    N start per second, or with rate:N/min per minute; rate:N/s:BURST lets BURST start at "
    "once "
    "after a\n"
    "              pause (default: a tenth of a second's worth)\n"
    "  adaptive    as many at once as the target bears: more while it takes them, fewer when it throttles; "
    "at "
    "most 1000,\n"
    "              or with adaptive:MAX at most MAX\n"
    "Durations are written 500ms, 2s, 14min, 1h.\n"
    "\n"
    "Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION for DynamoDB; "
    "MYSQL_PWD is\n"
    "the password if the URL has none (a URL can be seen in the list of processes).\n"
    "\n"
    "Ctrl-C (or SIGTERM) starts no further write, waits for those under way, and reports; a second one "
    "cancels these.\n"
    "\n"
    "The files of --trace and --waterfall are made when the writes have ended, also when they did so early. "
    "One "
    "that cannot\n"
    "be written is refused before anything is touched. If it fails at the end (a full disk, say), that is "
    "told "
    "after the\n"
    "report, and the exit status is not 0.\n"
    "\n"
    "The last line of standard output is always\n"
    "  snapshot: F fulfilled, R rejected, N not started, D doubled; S s, parallelism P\n"
    "F videos have their entry for the day when the target is read back at the end, by this run or an "
    "earlier one; R\n"
    "have none although their write was tried, N have none and were not tried: F + R + N is the number of "
    "videos. D have\n"
    "more than one entry ('?' if the target could not be read back); S is the time of the writes, and P the "
    "mean number of\n"
    "writes under way. With --json one line with one JSON object stands before it, and nothing else. If the "
    "job could\n"
    "not begin (a server refused, say), there is only a line on standard error.\n"
    "\n"
    "Exit status: 0 every video is recorded, once; 1 something is not, or an error; 2 wrong arguments, "
    "nothing was\n"
    "touched; 130 or 143 interrupted by SIGINT or SIGTERM before all was recorded.";

struct raw {
    std::string strategy = "retry", limit = "64", max_attempts = "4", attempt_timeout, deadline, date;
    std::string mysql, dynamodb, table = "VideoTable";
    std::string embedded = embedded_arguments{}.file, latency = "5ms", throttle = "0%", seed = "1", videos;
    std::optional<std::string> trace, waterfall;
    bool create_table = false, json = false, quiet = false;
};

strategy parse_strategy(std::string const& text) {
    for (auto const s : {strategy::sequential, strategy::when_all, strategy::settled, strategy::retry})
        if (text == to_string(s))
            return s;
    refuse("--strategy", text, "sequential, when_all, settled or retry");
}

void add_options(CLI::App& app, raw& r) {
    app.add_option("--strategy", r.strategy, "sequential, when_all, settled or retry (default retry)")
        ->type_name("NAME");
    app.add_option(
           "--limit", r.limit,
           "64, unlimited, rate:500/s or adaptive: what the writes must keep to, see below (default 64)")
        ->type_name("LIMIT");
    app.add_option("--max-attempts", r.max_attempts,
                   "tries per video with --strategy retry, 1 to 1000 (default 4)")
        ->type_name("N");
    app.add_option("--attempt-timeout", r.attempt_timeout,
                   "cancel a single try after this time (default: none)")
        ->type_name("TIME");
    app.add_option("--deadline", r.deadline,
                   "no write goes on later than this after the program's start (default: none)")
        ->type_name("TIME");
    app.add_option("--date", r.date, "the day to record, YYYY-MM-DD (default: today, UTC)")->type_name("DAY");
    app.add_flag("--json", r.json, "report as one line of JSON")->disable_flag_override();
    app.add_flag(
           "--quiet", r.quiet,
           "no progress on standard error (a line on a terminal, elsewhere one a minute and at the end)")
        ->disable_flag_override();
    app.add_option("--trace", r.trace,
                   "write what ran when as Chrome trace events, for Perfetto and speedscope")
        ->type_name("FILE");
    app.add_option("--waterfall", r.waterfall, "draw what ran when as SVG, for a browser")->type_name("FILE");
    app.add_option("--mysql", r.mysql,
                   "source: mysql://USER:PASSWORD@HOST:PORT/DATABASE[?ssl=verify|require|disable]; "
                   "without ssl=, verify, but disable on this machine")
        ->type_name("URL")
        ->group("Servers (give both)");
    app.add_option("--dynamodb", r.dynamodb, "target: https://HOST[:PORT], or http:// for DynamoDB Local")
        ->type_name("URL")
        ->group("Servers (give both)");
    app.add_option("--table", r.table, "DynamoDB's table, with partition key id (default VideoTable)")
        ->type_name("NAME")
        ->group("Servers (give both)");
    app.add_flag("--create-table", r.create_table, "create that table if it is not there")
        ->disable_flag_override()
        ->group("Servers (give both)");
    constexpr char const* embedded = "Embedded (the default)";
    app.add_option("--embedded", r.embedded,
                   "the SQLite file, made if it is not there (default video_snapshot.db)")
        ->type_name("FILE")
        ->group(embedded);
    app.add_option("--videos", r.videos, "videos of a new file, 0 to 10000000 (default 1000)")
        ->type_name("N")
        ->group(embedded);
    app.add_option("--latency", r.latency,
                   "mean of the simulated network's latency, jitter +-50% (default 5ms)")
        ->type_name("TIME")
        ->group(embedded);
    app.add_option("--throttle", r.throttle, "share of writes answered 'throttled', as 5% (default 0%)")
        ->type_name("SHARE")
        ->group(embedded);
    app.add_option("--seed", r.seed, "seed of the simulated network (default 1)")
        ->type_name("N")
        ->group(embedded);
}

template <class Parse>
auto parse_secret_url(char const* option, std::string const& text, char const* form, Parse parse) {
    try {
        return parse(text);
    } catch (adapters::url_error const& e) {
        // The URL itself is not repeated: it may hold a password.
        throw usage_error(std::string(option) + ": not a usable URL: " + e.what() + "; give " + form);
    }
}

server_arguments parse_servers(CLI::App const& app, raw const& r) {
    if (app.count("--mysql") == 0 || app.count("--dynamodb") == 0)
        throw usage_error(app.count("--mysql") == 0
                              ? "--dynamodb needs --mysql URL beside it, the source of the counts"
                              : "--mysql needs --dynamodb URL beside it, the target of the counts");
    for (auto const* option : {"--embedded", "--videos", "--latency", "--throttle", "--seed"})
        if (app.count(option) != 0)
            throw usage_error(std::string(option) +
                              " belongs to the embedded default; leave it out, or leave out "
                              "--mysql and --dynamodb");
    server_arguments out;
    out.mysql = parse_secret_url("--mysql", r.mysql, "mysql://USER:PASSWORD@HOST:PORT/DATABASE",
                                 adapters::parse_mysql_url);
    if (auto const* password = std::getenv("MYSQL_PWD"); password && !out.mysql.password)
        out.mysql.password = password;
    out.dynamodb = parse_secret_url("--dynamodb", r.dynamodb, "https://HOST[:PORT] or http://HOST[:PORT]",
                                    adapters::parse_http_url);
    constexpr char const* letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (r.table.size() < 3 || r.table.size() > 255 || r.table.find_first_not_of(letters) != std::string::npos)
        refuse("--table", r.table, "3 to 255 of the characters a-z A-Z 0-9 _ . -");
    out.table = r.table;
    out.create_table = r.create_table;
    return out;
}

embedded_arguments parse_embedded(CLI::App const& app, raw const& r) {
    for (auto const* option : {"--table", "--create-table"})
        if (app.count(option) != 0)
            throw usage_error(std::string(option) +
                              " belongs to DynamoDB; give --mysql URL and --dynamodb URL too");
    embedded_arguments out;
    if (r.embedded.empty())
        refuse("--embedded", r.embedded, "a file's path");
    out.file = r.embedded;
    out.latency = parse_duration("--latency", r.latency, true);
    out.throttle = parse_share("--throttle", r.throttle);
    out.seed = parse_count("--seed", r.seed, 0, std::numeric_limits<std::uint64_t>::max());
    if (app.count("--videos") != 0)
        out.videos = parse_count("--videos", r.videos, 0, 10'000'000);
    return out;
}

} // namespace

std::variant<arguments, std::string> parse_arguments(int argc, char const* const* argv) {
    raw r;
    CLI::App app(about, "video_snapshot");
    app.footer(footer);
    app.set_version_flag(
        "--version", "video_snapshot, an example of fanout " + std::to_string(fanout::version_major) + '.' +
                         std::to_string(fanout::version_minor) + '.' + std::to_string(fanout::version_patch));
    add_options(app, r);
    try {
        app.parse(argc, argv);
    } catch (CLI::CallForHelp const&) {
        return app.help();
    } catch (CLI::CallForVersion const& e) {
        return std::string(e.what()) + '\n';
    } catch (CLI::ExtrasError const&) { // whose words are the arguments, and one may be a URL with a password
        throw usage_error("an argument is not known (--help tells what is allowed)");
    } catch (CLI::ParseError const& e) {
        std::string const what = e.what();
        if (e.get_name() == "ArgumentMismatch" && what.starts_with("--"))
            throw usage_error(what.substr(0, what.find(':')) + " takes one value, and is given once");
        throw usage_error(what.substr(0, what.find('\n')) + " (--help tells what is allowed)");
    }
    arguments out;
    out.how = parse_strategy(r.strategy);
    out.limit = parse_limit("--limit", r.limit);
    out.max_attempts = static_cast<std::uint32_t>(parse_count("--max-attempts", r.max_attempts, 1, 1000));
    if (app.count("--attempt-timeout") != 0)
        out.attempt_timeout = parse_duration("--attempt-timeout", r.attempt_timeout, false);
    if (app.count("--deadline") != 0)
        out.deadline = parse_duration("--deadline", r.deadline, false);
    out.day =
        app.count("--date") != 0 ? parse_day("--date", r.date) : day_of(std::chrono::system_clock::now());
    out.json = r.json;
    out.quiet = r.quiet;
    out.trace = r.trace;
    out.waterfall = r.waterfall;
    if (app.count("--mysql") != 0 || app.count("--dynamodb") != 0)
        out.ends = parse_servers(app, r);
    else
        out.ends = parse_embedded(app, r);
    return out;
}

} // namespace snapshot
