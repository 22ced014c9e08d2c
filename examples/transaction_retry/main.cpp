// SPDX-License-Identifier: BSL-1.0
// transaction_retry: a whole database transaction as the unit of retry, on a real MySQL or MariaDB. See --help.
#include "../support/program.hpp"
#include "transfers.hpp"

#include <cstdlib>
#include <string>

namespace {

constexpr char const* about =
    "Lets transfers between two accounts run into the two errors of InnoDB that ask for another try, and "
    "runs the whole\n"
    "transaction again, from BEGIN to COMMIT, never the statement alone:\n"
    "  1213  deadlock: two transactions hold what the other one wants\n"
    "  1205  lock wait timeout: a third session does not let go of a row\n"
    "It makes the table fanout_accounts in the database of the URL, and drops it in the end.";

constexpr char const* footer =
    "Environment: FANOUT_MYSQL_URL is the URL if --mysql is not given; MYSQL_PWD is the password if the URL "
    "has none\n"
    "(a URL can be seen in the list of processes).\n"
    "\n"
    "The row of the result is\n"
    "  | transaction_retry: transfers | - | C of T committed; errors 1213: D, 1205: W; retries: R |\n"
    "\n"
    "Exit status: 0 each transfer was applied exactly once; 1 one was not, or an error; 2 wrong arguments.";

adapters::mysql_url parse(std::string const& given) {
    auto url = support::url_from(adapters::parse_mysql_url, given, "--mysql", "FANOUT_MYSQL_URL");
    if (auto const* password = std::getenv("MYSQL_PWD"); password != nullptr && !url.password)
        url.password = password;
    return url;
}

} // namespace

int main(int argc, char** argv) {
    std::string url;
    CLI::App app(about, "transaction_retry");
    app.footer(footer);
    app.add_option(
           "--mysql", url,
           "mysql://USER:PASSWORD@HOST:PORT/DATABASE[?ssl=verify|require|disable]; without ssl=, verify, "
           "but disable on this machine")
        ->type_name("URL");
    auto const job = [&](support::notebook& notes) { return bank::show_retries(notes, parse(url)); };
    return support::run_program(app, argc, argv, job);
}
