// SPDX-License-Identifier: BSL-1.0
#pragma once
// The frame of an example program: arguments, one io_context with a heartbeat beside the work, a notebook for what comes of
// it, one line for an error.

#include "../adapters/describe.hpp"
#include "../adapters/url.hpp"
#include "heartbeat.hpp"
#include "notebook.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace support {

constexpr int done = 0, failed = 1, wrong_arguments = 2;

// Something is wrong with what the user gave us.
class bad_argument : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline int complain(std::string const& program, std::string line, int status) {
    for (char& c : line)
        if (c == '\n')
            c = ' ';
    std::cerr << program << ": " << line << '\n';
    return status;
}

// Adds `--unit`: how long one unit of the experiment is, as 1s or 50ms.
inline void add_unit(CLI::App& app, std::chrono::milliseconds& unit) {
    app.add_option_function<std::string>(
           "--unit",
           [&unit](std::string text) {
               std::map<std::string, std::int64_t> const factors{{"ms", 1}, {"s", 1000}};
               CLI::AsNumberWithUnit const number(factors, CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME");
               // Of some errors it throws, and others it returns; neither says which option they are of.
               std::string wrong;
               try {
                   wrong = number(text);
               } catch (CLI::ValidationError const& e) {
                   wrong = e.what();
               }
               if (!wrong.empty())
                   throw CLI::ValidationError("--unit", wrong);
               std::int64_t const count = std::stoll(text);
               if (count < 1 || count > 60'000)
                   throw CLI::ValidationError("--unit", "must be from 1ms to 60s");
               unit = std::chrono::milliseconds(count);
           },
           "How long one unit of time is, such as 1s or 50ms")
        ->type_name("TIME")
        ->default_str(std::to_string(unit.count()) + "ms");
}

// The value of --name, else of the environment variable; neither is an error that names both.
inline std::string given_or(std::string const& value, char const* option, char const* variable) {
    if (!value.empty())
        return value;
    if (auto const* from = std::getenv(variable); from != nullptr && *from != '\0')
        return from;
    throw bad_argument(std::string(option) + " is needed (or the environment variable " + variable + ")");
}

// The server that --name, else the environment variable, names. The URL itself is not repeated where it is wrong: it may
// hold a password.
template <class Parse>
auto url_from(Parse parse, std::string const& value, char const* option, char const* variable) {
    try {
        return parse(given_or(value, option, variable));
    } catch (adapters::url_error const& e) {
        throw bad_argument(std::string(option) + ": not a usable URL: " + e.what());
    }
}

// The exit status where there is nothing to run: help was asked for, or an argument is wrong.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv) {
    auto const name = app.get_name();
    try {
        app.parse(argc, argv);
    } catch (CLI::CallForHelp const&) {
        std::cout << app.help();
        return done;
    } catch (CLI::ExtrasError const&) { // whose words are the arguments, and one may be a URL with a password
        return complain(name, "an argument is not known (--help tells what is allowed)", wrong_arguments);
    } catch (CLI::ParseError const& e) {
        return complain(name, std::string(e.what()) + " (--help tells what is allowed)", wrong_arguments);
    }
    return std::nullopt;
}

// Parses, then runs `job(notebook&)` on one thread, and ends with the exit status. The job tells whether all came out as it
// should. Adds the options that each experiment has: --trace, --waterfall, --only, --quiet, --json.
using job = std::function<boost::asio::awaitable<bool>(notebook&)>;
int run_program(CLI::App& app, int argc, char** argv, job const& work);

// The same for a check that leaves nothing behind but its text on standard output; without these options.
template <class Job>
    requires std::invocable<Job&>
int run_program(CLI::App& app, int argc, char** argv, Job work) {
    auto const name = app.get_name();
    if (auto const status = parse(app, argc, argv))
        return *status;
    try {
        boost::asio::io_context context(1);
        std::exception_ptr failure;
        auto right = false;
        heartbeat beating(context.get_executor());
        boost::asio::co_spawn(context, work(), [&](std::exception_ptr thrown, bool result) {
            failure = thrown;
            right = result;
            beating.stop();
        });
        context.run();
        if (failure)
            std::rethrow_exception(failure);
        std::cout << beating << '\n';
        if (!std::cout.flush())
            return complain(name, "cannot write to standard output", failed);
        return right ? done : complain(name, "not everything came out as it should", failed);
    } catch (bad_argument const& e) {
        return complain(name, std::string(e.what()) + " (--help tells what is allowed)", wrong_arguments);
    } catch (std::exception const& e) {
        return complain(name, adapters::describe(e), failed);
    }
}

} // namespace support
