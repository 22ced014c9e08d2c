// SPDX-License-Identifier: BSL-1.0
#include <fanout/retry_rejected.hpp>

#include "../adapters/dynamodb.hpp"
#include "dynamodb_items.hpp"
#include "servers.hpp"
#include "values.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <array>

namespace snapshot {

namespace asio = boost::asio;
using adapters::dynamodb_errc;
using boost::system::system_error;

namespace {

class dynamodb_target final : public snapshot_target {
public:
    dynamodb_target(asio::any_io_executor executor, arguments const& all, server_arguments const& servers,
                    adapters::aws_credentials credentials)
        : client_(std::move(executor), servers.dynamodb, std::move(credentials), {}),
          table_(servers.table),
          day_(all.day),
          create_(servers.create_table),
          max_attempts_(all.max_attempts) {}

    asio::awaitable<void> record(video const& v) override {
        auto const update = update_item(table_, v, day_);
        try {
            co_await client_.call("UpdateItem", update);
        } catch (system_error const& e) {
            // The day is there: of an earlier run, or of a try whose reply was lost. Either way it is recorded.
            if (e.code() != dynamodb_errc::conditional_check_failed)
                throw;
        }
    }

    asio::awaitable<entries_of_day> entries() override {
        if (std::exchange(create_, false))
            co_await create_table_if_missing();
        entries_of_day out;
        json::value after;
        do {
            auto const page = co_await call("Scan", scan_page(table_, after));
            add_entries(page, day_, out);
            auto const* last = page.if_contains("LastEvaluatedKey");
            after = last ? *last : json::value();
        } while (!after.is_null());
        co_return out;
    }

private:
    // Reads are retried whatever the strategy of the writes is: a fan-out over one input.
    asio::awaitable<json::object> call(std::string operation, json::object parameters) {
        auto const once = [&](int) { return client_.call(operation, parameters); };
        auto const passing = [](auto const& outcome) {
            return outcome.has_error() && adapters::is_transient(outcome.error());
        };
        std::array const one{0};
        auto calls = fanout::retry_rejected(one, once, fanout::retry_policy{.max_attempts = max_attempts_},
                                            fanout::retry_if(passing));
        auto done = co_await std::move(calls);
        auto& outcome = done.outcomes.front();
        if (outcome.has_value())
            co_return std::move(outcome).value();
        // Of the table itself DynamoDB only says "non-existent"; we know its name.
        if (outcome.error() == dynamodb_errc::resource_not_found)
            throw system_error(outcome.error(),
                               "there is no table '" + table_ + "' (--create-table makes it)");
        if (outcome.has_exception())
            std::rethrow_exception(outcome.exception());
        throw system_error(outcome.error(), "DynamoDB");
    }

    asio::awaitable<void> create_table_if_missing() {
        try {
            co_await client_.call("CreateTable", create_table(table_));
        } catch (system_error const& e) {
            if (e.code() != dynamodb_errc::resource_in_use)
                throw;
        }
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int tries = 0; tries < 120; ++tries) {
            json::object const name{{"TableName", table_}};
            auto const described = co_await call("DescribeTable", name);
            auto const* table = described.if_contains("Table");
            auto const* status =
                table && table->is_object() ? table->get_object().if_contains("TableStatus") : nullptr;
            if (status && *status == "ACTIVE")
                co_return;
            timer.expires_after(std::chrono::milliseconds(500));
            co_await timer.async_wait(asio::use_awaitable);
        }
        throw std::runtime_error("DynamoDB: the new table '" + table_ +
                                 "' did not become active within a minute");
    }

    adapters::dynamodb_client client_;
    std::string table_;
    std::string day_;
    bool create_;
    std::uint32_t max_attempts_;
};

} // namespace

std::unique_ptr<snapshot_target> make_dynamodb_target(asio::any_io_executor executor, arguments const& all,
                                                      server_arguments const& servers) {
    adapters::aws_credentials credentials;
    try {
        credentials = adapters::credentials_from_environment(servers.dynamodb);
    } catch (std::runtime_error const& e) {
        throw usage_error(std::string("--dynamodb: ") + e.what());
    }
    return std::make_unique<dynamodb_target>(std::move(executor), all, servers, std::move(credentials));
}

} // namespace snapshot
