// SPDX-License-Identifier: BSL-1.0
// favorite_people: many people are added to one item of DynamoDB at once, in five ways. See --help.
#include <fanout/limit/keyed.hpp>
#include <fanout/limit/window.hpp>
#include <fanout/retry_rejected.hpp>
#include <fanout/when_all.hpp>

#include "../support/program.hpp"
#include "../support/report.hpp"
#include "favorites.hpp"

#include <boost/asio/error.hpp>

#include <cstdint>
#include <numeric>
#include <vector>

namespace {

using namespace favorites;
using namespace std::chrono_literals;
using names = std::vector<std::string>;

constexpr char const* about =
    "Adds many people to one item of a DynamoDB table at once, { pk, sk, myList, mySet }, and counts who is "
    "kept:\n"
    "  1  read the list, push, write the list: nearly all are lost\n"
    "  2  ADD to a set, in the same fan-out: all are kept\n"
    "  3  list_append: all are kept; but a retry after a lost reply (pretended) appends again, where ADD "
    "does not\n"
    "  4  the first way under a condition on a revision, retried by fresh reads: all are kept, at a price in "
    "attempts\n"
    "  5  the first way, one at a time: all are kept, as long as no other process writes\n"
    "It makes a table, and deletes it in the end.";

constexpr char const* footer = "Environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, "
                               "AWS_REGION; FANOUT_DYNAMODB_URL where\n"
                               "there is no --dynamodb.\n"
                               "\n"
                               "Exit status: 0 the first way lost people and all others lost none; 1 it came "
                               "out otherwise, or an error;\n"
                               "2 wrong arguments.";

struct arguments {
    std::string dynamodb;
    std::string table = "fanout_favorites";
    std::size_t writes = 100;
    std::size_t connections = 50;
};

void row(support::notebook& notes, std::string const& what, std::string const& article,
         std::string const& ours) {
    notes.report("favorite_people: " + what, article, ours);
}

void row(support::notebook& notes, std::string const& what, std::string const& article, std::size_t ours) {
    row(notes, what, article, std::to_string(ours));
}

asio::awaitable<bool> race(favorite_item& item, names const& people, support::notebook& notes) {
    co_await item.clear();
    // [race]
    auto const read_then_write = [&](std::string const& person) { return item.read_then_write(person); };
    auto const add = [&](std::string const& person) { return item.add(person); };
    co_await fanout::when_all(fanout::when_all(people, read_then_write, notes.record("read, push, write")),
                              fanout::when_all(people, add, notes.record("ADD to a set")));
    // [/race]
    auto const kept = co_await item.count();
    row(notes, "read, push, write: kept", "1", kept.entries);
    row(notes, "ADD to a set: kept", "100", kept.set);
    co_return kept.entries < people.size() && kept.set == people.size();
}

asio::awaitable<bool> list_append(favorite_item& item, names const& people, support::notebook& notes) {
    co_await item.clear();
    auto const append = [&](std::string const& person) { return item.append(person); };
    co_await fanout::when_all(people, append, notes.record("list_append"));
    auto const kept = co_await item.count();
    row(notes, "list_append: kept", "-", kept.people);
    co_return kept.people == people.size() && kept.entries == people.size();
}

// Each tenth write takes effect, and its reply is pretended to be lost: it came, and is thrown away for an error. To the
// retry that is the same as a reply that never came.
asio::awaitable<bool> lost_replies(favorite_item& item, names const& people, support::notebook& notes) {
    co_await item.clear();
    std::size_t lost = 0;
    auto const lose = [&](std::string const& person, fanout::attempt const& a) {
        auto const tenth = static_cast<std::size_t>(&person - people.data()) % 10 == 0;
        if (a.number == 1 && tenth) {
            ++lost;
            throw system_error(asio::error::connection_reset, "the reply is lost");
        }
    };
    // [lost-replies]
    auto const append = [&](std::string const& person, fanout::attempt const& a) -> asio::awaitable<void> {
        co_await item.append(person);
        lose(person, a);
    };
    auto const add = [&](std::string const& person, fanout::attempt const& a) -> asio::awaitable<void> {
        co_await item.add(person);
        lose(person, a);
    };
    auto const appended =
        co_await fanout::retry_rejected(people, append, notes.record("list_append, replies lost"));
    auto const added =
        co_await fanout::retry_rejected(people, add, notes.record("ADD to a set, replies lost"));
    // [/lost-replies]
    auto const kept = co_await item.count();
    auto const told = " where each tenth reply is lost and the write retried: entries";
    row(notes, std::string("list_append,") + told, "-", kept.entries);
    row(notes, std::string("ADD to a set,") + told, "-", kept.set);
    auto const retried = appended.retries() + added.retries();
    auto const failed = appended.failed() + added.failed();
    co_return failed == 0 && retried == lost&& kept.people == people.size() &&
        kept.entries == people.size() + lost / 2 && kept.set == people.size();
}

bool is_worth_a_retry(fanout::settled<void> const& outcome) {
    return outcome.error() == dynamodb_errc::conditional_check_failed ||
           adapters::is_transient(outcome.error());
}

template <class Backoff, class... Limit>
asio::awaitable<bool> optimistic(std::string const& how, favorite_item& item, names const& people,
                                 support::notebook& notes, Backoff backoff, Limit... limit) {
    co_await item.clear();
    auto const what = "revision and condition, " + how;
    support::stopwatch watch;
    // [optimistic]
    // A write is refused only because another one came between its read and itself, and there are only so many others.
    auto const attempts = static_cast<std::uint32_t>(people.size());
    auto const write = [&](std::string const& person) { return item.write_if_unchanged(person); };
    auto writes = fanout::retry_rejected(people, write,
                                         fanout::retry_policy{.max_attempts = attempts, .backoff = backoff},
                                         fanout::retry_if(is_worth_a_retry), limit..., notes.record(what));
    auto const done = co_await std::move(writes);
    // [/optimistic]
    auto const took = watch.elapsed();
    auto const kept = co_await item.count();
    row(notes, what + ": kept", "-", kept.people);
    row(notes, what + ": attempts", "-",
        std::accumulate(done.attempts.begin(), done.attempts.end(), std::size_t{0}));
    row(notes, what + ": seconds", "-", support::in_units(took, 1s));
    for (auto const& failure : done.failures())
        notes.say() << people[failure.index] << ": " << failure.error.message() << '\n';
    co_return done.failed() == 0 && kept.people == people.size() && kept.entries == people.size();
}

// All are of one item; a key for each item lets those of different items go side by side.
auto one_at_a_time() {
    // [keyed]
    auto const item_of = [](std::string const&) { return std::string("pk/sk"); };
    return fanout::keyed(1, item_of);
    // [/keyed]
}

asio::awaitable<bool> pessimistic(favorite_item& item, names const& people, support::notebook& notes) {
    co_await item.clear();
    auto const read_then_write = [&](std::string const& person) { return item.read_then_write(person); };
    co_await fanout::when_all(people, read_then_write, one_at_a_time(),
                              notes.record("read, push, write, one at a time"));
    auto const kept = co_await item.count();
    row(notes, "read, push, write, one at a time: kept", "-", kept.entries);
    co_return kept.people == people.size() && kept.entries == people.size();
}

asio::awaitable<bool> all_experiments(favorite_item& item, names const& people, support::notebook& notes) {
    co_await item.wait_until_active();
    auto right = co_await race(item, people, notes);
    right = co_await list_append(item, people, notes) && right;
    right = co_await lost_replies(item, people, notes) && right;
    fanout::none const no_sleep;
    fanout::exponential const backoff{.base = 20ms, .cap = 1s};
    right = co_await optimistic("all at once", item, people, notes, no_sleep) && right;
    right = co_await optimistic("exponential backoff", item, people, notes, backoff) && right;
    right = co_await optimistic("4 at once", item, people, notes, no_sleep, fanout::limit(4)) && right;
    right = co_await optimistic("one at a time", item, people, notes, no_sleep, one_at_a_time()) && right;
    co_return co_await pessimistic(item, people, notes) && right;
}

struct server_access {
    adapters::http_url endpoint;
    adapters::aws_credentials credentials;
};

server_access server_of(arguments const& given) {
    auto const url = support::given_or(given.dynamodb, "--dynamodb", "FANOUT_DYNAMODB_URL");
    try {
        auto const endpoint = adapters::parse_http_url(url);
        return {endpoint, adapters::credentials_from_environment(endpoint)};
    } catch (std::exception const& e) {
        throw support::bad_argument(std::string("--dynamodb: ") + e.what());
    }
}

asio::awaitable<bool> run(arguments const& given, support::notebook& notes) {
    auto const executor = co_await asio::this_coro::executor;
    auto const server = server_of(given);
    adapters::dynamodb_client client(executor, server.endpoint, server.credentials,
                                     {.max_connections = given.connections, .resend_if_dropped = false});
    favorite_item item(client, given.table);
    names people;
    for (std::size_t i = 0; i < given.writes; ++i)
        people.push_back("person " + std::to_string(i));

    co_await item.make_table();
    std::exception_ptr failure;
    try {
        auto const right = co_await all_experiments(item, people, notes);
        co_await item.delete_table();
        co_return right;
    } catch (...) {
        failure = std::current_exception();
    }
    try {
        co_await item.delete_table();
    } catch (system_error const&) { // what failed first is what is told
    }
    std::rethrow_exception(failure);
}

} // namespace

int main(int argc, char** argv) {
    arguments given;
    CLI::App app(about, "favorite_people");
    app.footer(footer);
    app.add_option("--dynamodb", given.dynamodb, "http(s)://HOST:PORT of DynamoDB")->type_name("URL");
    app.add_option("--table", given.table, "The table that is made, and deleted in the end")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--writes", given.writes, "How many people are added at once")
        ->type_name("N")
        ->check(CLI::Range(10, 500))
        ->capture_default_str();
    app.add_option("--connections", given.connections,
                   "The most connections; a request beyond waits its turn, as in AWS's SDK for JavaScript")
        ->type_name("N")
        ->check(CLI::Range(1, 500))
        ->capture_default_str();
    return support::run_program(app, argc, argv, [&](support::notebook& notes) { return run(given, notes); });
}
