// SPDX-License-Identifier: BSL-1.0
// video_snapshot: the daily snapshot of view counts, MySQL to DynamoDB, or on one SQLite file. See --help.
#include "arguments.hpp"
#include "embedded.hpp"
#include "fan_out.hpp"
#include "interruption.hpp"
#include "job.hpp"
#include "pictures.hpp"
#include "servers.hpp"
#include "summary.hpp"
#include "values.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

namespace {

namespace asio = boost::asio;
using namespace snapshot;

constexpr int all_recorded = 0, not_recorded = 1, wrong_arguments = 2;

int complain(std::string line) {
    for (char& c : line)
        if (c == '\n')
            c = ' ';
    std::cerr << "video_snapshot: " << line << '\n';
    return not_recorded;
}

struct ends {
    std::shared_ptr<video_source> source;
    std::shared_ptr<snapshot_target> target;
};

ends open_ends(arguments const& all, asio::io_context& io) {
    if (auto const* servers = std::get_if<server_arguments>(&all.ends))
        return {make_mysql_source(servers->mysql), make_dynamodb_target(io.get_executor(), all, *servers)};
    auto const& embedded = std::get<embedded_arguments>(all.ends);
    try {
        auto const store = std::make_shared<embedded_store>(embedded, all.day);
        return {store, store};
    } catch (...) {
        throw std::runtime_error("cannot use " + embedded.file + ": " + describe(std::current_exception()));
    }
}

int status(summary const& s, int signal) {
    if (s.all_recorded())
        return all_recorded;
    return signal != 0 ? 128 + signal : not_recorded;
}

int run(arguments const& all, std::chrono::steady_clock::time_point program_start) {
    pictures drawn(all); // before anything is touched
    fanout::recording::options room;
    if (!drawn.wanted())
        room.max_attempts = 1; // it is not looked at
    fanout::recording recorded(room);
    asio::io_context io(1); // one thread: the library needs no strand then, nor the DynamoDB client a lock
    auto const [source, target] = open_ends(all, io);
    interruption stop(io);
    std::optional<report> done;
    std::exception_ptr failure;
    asio::co_spawn(io, run_job(all, *source, *target, stop, recorded, program_start),
                   asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr thrown, report result) {
                       failure = thrown;
                       done = std::move(result);
                       stop.stop_listening();
                   }));
    io.run();
    if (failure && stop.signal() != 0) {
        complain("interrupted before the first write");
        return 128 + stop.signal();
    }
    if (failure)
        return complain(describe(failure));
    if (!done->problem.empty())
        complain(done->problem);
    (all.json ? print_json : print_text)(std::cout, done->numbers, all);
    auto result = status(done->numbers, stop.signal());
    if (!std::cout.flush())
        result = complain("cannot write the report to standard output");
    for (auto const& wrong : drawn.write(recorded, done->pending)) {
        complain(wrong);
        result = result == all_recorded ? not_recorded : result;
    }
    return result;
}

} // namespace

int main(int argc, char** argv) {
    auto const program_start = std::chrono::steady_clock::now();
    std::signal(SIGPIPE, SIG_IGN); // the writes are to go on where nobody reads of their progress any more
    try {
        auto const parsed = parse_arguments(argc, argv);
        if (auto const* text = std::get_if<std::string>(&parsed)) {
            std::cout << *text;
            return 0;
        }
        return run(std::get<arguments>(parsed), program_start);
    } catch (usage_error const& e) {
        complain(e.what());
        return wrong_arguments;
    } catch (...) {
        return complain(describe(std::current_exception()));
    }
}
