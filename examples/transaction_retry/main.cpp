// SPDX-License-Identifier: BSL-1.0
// transaction_retry: a whole database transaction as the unit of retry, on a real MySQL or MariaDB. See --help.
#include "../adapters/describe.hpp"
#include "../adapters/url.hpp"
#include "transfers.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <variant>

namespace {

namespace asio = boost::asio;

constexpr int done = 0, failed = 1, wrong_arguments = 2;

constexpr char const* about =
    "Lets transfers between two accounts run into the two errors of InnoDB that ask for another try, and "
    "runs the whole\n"
    "transaction again, from BEGIN to COMMIT, never the statement alone:\n"
    "  1213  deadlock: two transactions hold what the other one wants\n"
    "  1205  lock wait timeout: a third session does not let go of a row\n"
    "It makes the table fanout_accounts in the database of the URL, and drops it in the end.";

constexpr char const* footer =
    "Environment: MYSQL_PWD is the password if the URL has none (a URL can be seen in the list of "
    "processes).\n"
    "\n"
    "The last line of standard output is\n"
    "  transaction_retry: C of T transfers committed; errors 1213: D, 1205: W; retries: R\n"
    "If the work could not begin, or broke off, there is a line on standard error.\n"
    "\n"
    "Exit status: 0 each transfer was applied exactly once; 1 one was not, or an error; 2 wrong arguments.";

int complain(std::string line, int status) {
    for (char& c : line)
        if (c == '\n')
            c = ' ';
    std::cerr << "transaction_retry: " << line << '\n';
    return status;
}

// The URL, or the exit status where there is nothing to run.
std::variant<adapters::mysql_url, int> parse_arguments(int argc, char** argv) {
    std::string url;
    CLI::App app(about, "transaction_retry");
    app.footer(footer);
    app.add_option(
           "--mysql", url,
           "mysql://USER:PASSWORD@HOST:PORT/DATABASE[?ssl=verify|require|disable]; without ssl=, verify, "
           "but disable on this machine")
        ->type_name("URL")
        ->required();
    try {
        app.parse(argc, argv);
    } catch (CLI::CallForHelp const&) {
        std::cout << app.help();
        return done;
    } catch (CLI::ExtrasError const&) { // whose words are the arguments, and one may be a URL with a password
        return complain("an argument is not known (--help tells what is allowed)", wrong_arguments);
    } catch (CLI::ParseError const& e) {
        return complain(std::string(e.what()) + " (--help tells what is allowed)", wrong_arguments);
    }
    try {
        auto out = adapters::parse_mysql_url(url);
        if (auto const* password = std::getenv("MYSQL_PWD"); password && !out.password)
            out.password = password;
        return out;
    } catch (adapters::url_error const& e) {
        // The URL itself is not repeated: it may hold a password.
        return complain(std::string("--mysql: not a usable URL: ") + e.what() +
                            "; give mysql://USER:PASSWORD@HOST:PORT/DATABASE",
                        wrong_arguments);
    }
}

int run(adapters::mysql_url url) {
    asio::io_context context(1);
    auto right = false;
    std::exception_ptr failure;
    asio::co_spawn(context, bank::show_retries(std::move(url)), [&](std::exception_ptr thrown, bool result) {
        failure = thrown;
        right = result;
    });
    context.run();
    if (failure)
        std::rethrow_exception(failure);
    if (!std::cout.flush())
        return complain("cannot write to standard output", failed);
    return right ? done : complain("not every transfer was applied exactly once", failed);
}

} // namespace

int main(int argc, char** argv) {
    try {
        auto parsed = parse_arguments(argc, argv);
        if (auto const* status = std::get_if<int>(&parsed))
            return *status;
        return run(std::get<adapters::mysql_url>(std::move(parsed)));
    } catch (std::exception const& e) {
        return complain(adapters::describe(e), failed);
    }
}
