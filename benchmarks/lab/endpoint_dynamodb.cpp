// SPDX-License-Identifier: BSL-1.0
#include "endpoint_dynamodb.hpp"

#include <fanout/limit/window.hpp>
#include <fanout/when_all_settled.hpp>

#include "../../examples/adapters/describe.hpp"
#include "../../examples/adapters/dynamodb.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>

namespace lab {

namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using adapters::dynamodb_errc;
using boost::system::system_error;
using namespace std::chrono_literals;

constexpr std::size_t default_connections = 256;

class dynamodb_server final : public server {
public:
    dynamodb_server(asio::any_io_executor executor, dynamodb_options options)
        : where_("DynamoDB at " + options.url.authority()),
          connections_(options.connections == 0 ? default_connections : options.connections),
          rows_(options.rows),
          client_(std::move(executor), std::move(options.url), std::move(options.credentials),
                  {.max_connections = connections_}),
          name_{{"TableName", table_}} {}

    std::string kind() const override { return "dynamodb"; }
    std::string where() const override { return where_; }
    std::string table() const override { return table_; }
    std::size_t connections() const override { return connections_; }

    asio::awaitable<void> prepare() override {
        json::object const create{
            {"TableName", table_},
            {"AttributeDefinitions",
             json::array{json::object{{"AttributeName", "id"}, {"AttributeType", "N"}}}},
            {"KeySchema", json::array{json::object{{"AttributeName", "id"}, {"KeyType", "HASH"}}}},
            {"BillingMode", "PAY_PER_REQUEST"}};
        may_be_there_ = true;
        co_await client_.call("CreateTable", create);
        co_await until_active();
        co_await warm_up();
    }

    asio::awaitable<void> remove() override {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int tries = 0; may_be_there_; ++tries) {
            try {
                co_await client_.call("DeleteTable", name_);
                may_be_there_ = false;
            } catch (system_error const& e) {
                if (e.code() == dynamodb_errc::resource_not_found)
                    co_return;
                if (e.code() != dynamodb_errc::resource_in_use || tries == 60)
                    throw;
            }
            if (may_be_there_) { // it is being made
                timer.expires_after(500ms);
                co_await timer.async_wait(asio::use_awaitable);
            }
        }
    }

    asio::awaitable<void> ping() override { co_await client_.call("DescribeTable", name_); }

    // A scan would tell, and cost as much as the updates.
    asio::awaitable<std::optional<std::uint64_t>> updates() override { co_return std::nullopt; }

    asio::awaitable<answer> call(std::size_t input, std::uint32_t) override {
        auto const update = update_of(input % rows_);
        try {
            co_await client_.call("UpdateItem", update);
        } catch (system_error const& e) {
            if (e.code() == asio::error::operation_aborted)
                throw;
            co_return failed(e.code(), adapters::describe(e), e.code() == asio::error::connection_refused);
        }
        co_return done();
    }

    bool is_overload(fanout::error_code const& error) const noexcept override {
        return error == dynamodb_errc::throttled || error == asio::error::connection_refused;
    }

private:
    json::object update_of(std::size_t row) const {
        return {{"TableName", table_},
                {"Key", json::object{{"id", json::object{{"N", std::to_string(row)}}}}},
                {"UpdateExpression", "ADD n :one"},
                {"ExpressionAttributeValues", json::object{{":one", json::object{{"N", "1"}}}}}};
    }

    asio::awaitable<void> until_active() {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int tries = 0; tries < 240; ++tries) {
            auto const described = co_await client_.call("DescribeTable", name_);
            auto const* table = described.if_contains("Table");
            auto const* status =
                table && table->is_object() ? table->get_object().if_contains("TableStatus") : nullptr;
            if (status && *status == "ACTIVE")
                co_return;
            timer.expires_after(250ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        throw std::runtime_error(where_ + ": the new table " + table_ +
                                 " did not become active within a minute");
    }

    // Opens the connections by as many updates at once, before any clock starts; and has a server on a Java machine
    // compile what it runs. Throttled ones do as well.
    asio::awaitable<void> warm_up() {
        auto const update = [&](std::size_t input) { return call(input, 1); };
        auto calls = fanout::when_all_settled(std::views::iota(std::size_t{0}, 4 * connections_), update,
                                              fanout::limit(connections_));
        auto const ended = co_await std::move(calls);
        for (auto const& outcome : ended) {
            if (outcome.has_exception())
                std::rethrow_exception(outcome.exception());
            if (outcome.has_error() && !is_overload(outcome.error()))
                throw system_error(outcome.error(), where_);
        }
    }

    std::string table_ = random_table_name();
    std::string where_;
    std::size_t connections_;
    std::size_t rows_;
    adapters::dynamodb_client client_;
    bool may_be_there_ = false; // the table
    json::object name_;         // as DescribeTable and DeleteTable want it
};

} // namespace

std::unique_ptr<server> make_dynamodb_server(asio::any_io_executor executor, dynamodb_options options) {
    return std::make_unique<dynamodb_server>(std::move(executor), std::move(options));
}

} // namespace lab
