// SPDX-License-Identifier: BSL-1.0
#pragma once
// One item of a DynamoDB table, { pk, sk, myList: L of S, mySet: SS, revision: N }, and four ways to add a person to it.

#include "../adapters/dynamodb.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace favorites {

namespace asio = boost::asio;
namespace json = boost::json;
using adapters::dynamodb_errc;
using boost::system::system_error;

inline json::value text(std::string_view s) { return {{"S", s}}; }

class favorite_item {
public:
    favorite_item(adapters::dynamodb_client& client, std::string table)
        : client_(client), table_(std::move(table)) {}

    // Four ways to add a person. A name must outlive the call.

    // [read-then-write]
    asio::awaitable<void> read_then_write(std::string const& person) {
        auto const item = co_await read();
        auto list = item.at("myList").at("L").as_array();
        list.push_back(text(person));
        json::object const values{{":list", {{"L", list}}}};
        co_await update("SET myList = :list", values);
    }
    // [/read-then-write]

    // [add]
    asio::awaitable<void> add(std::string const& person) {
        json::array const people{person};
        json::object const values{{":item", {{"SS", people}}}};
        co_await update("ADD mySet :item", values);
    }
    // [/add]

    // [append]
    asio::awaitable<void> append(std::string const& person) {
        json::array const people{text(person)};
        json::object const values{{":empty", {{"L", json::array()}}}, {":item", {{"L", people}}}};
        co_await update("SET myList = list_append(if_not_exists(myList, :empty), :item)", values);
    }
    // [/append]

    // [if-unchanged]
    asio::awaitable<void> write_if_unchanged(std::string const& person) {
        auto const item = co_await read();
        auto list = item.at("myList").at("L").as_array();
        if (std::find(list.begin(), list.end(), text(person)) != list.end())
            co_return; // an earlier attempt did it, and its reply was lost
        list.push_back(text(person));
        auto const& old = item.at("revision");
        auto const next = std::to_string(std::stoll(std::string(old.at("N").as_string())) + 1);
        json::object const values{{":list", {{"L", list}}}, {":old", old}, {":next", {{"N", next}}}};
        co_await update("SET myList = :list, revision = :next", values, "revision = :old");
    }
    // [/if-unchanged]

    // An empty list, no set.
    asio::awaitable<void> clear() {
        auto item = key();
        item["myList"] = json::object{{"L", json::array()}};
        item["revision"] = json::object{{"N", "0"}};
        json::object const put{{"TableName", table_}, {"Item", item}};
        co_await client_.call("PutItem", put);
    }

    struct found {
        std::size_t entries = 0; // of the list
        std::size_t people = 0;  // of the list, each counted once
        std::size_t set = 0;
    };

    asio::awaitable<found> count() {
        auto const item = co_await read();
        auto const& list = item.at("myList").at("L").as_array();
        found out{list.size(), 0, 0};
        for (auto at = list.begin(); at != list.end(); ++at)
            out.people += std::find(list.begin(), at, *at) == at ? 1 : 0;
        if (auto const* set = item.if_contains("mySet"))
            out.set = set->at("SS").as_array().size();
        co_return out;
    }

    // Throws where a table of this name is there: that is not ours to change, or to delete.
    asio::awaitable<void> make_table() {
        auto const attribute = [](char const* name, char const* type) {
            return json::object{{"AttributeName", name}, {"KeyType", type}};
        };
        auto const string = [](char const* name) {
            return json::object{{"AttributeName", name}, {"AttributeType", "S"}};
        };
        json::array const keys{attribute("pk", "HASH"), attribute("sk", "RANGE")};
        json::array const attributes{string("pk"), string("sk")};
        json::object const create{{"TableName", table_},
                                  {"KeySchema", keys},
                                  {"AttributeDefinitions", attributes},
                                  {"BillingMode", "PAY_PER_REQUEST"}};
        try {
            co_await client_.call("CreateTable", create);
        } catch (system_error const& e) {
            if (e.code() == dynamodb_errc::resource_in_use)
                throw std::runtime_error("there is a table '" + table_ +
                                         "' already, which another run made, or left behind: wait, or delete "
                                         "it, or name another one by --table");
            throw;
        }
    }

    asio::awaitable<void> wait_until_active() {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        json::object const name{{"TableName", table_}};
        for (int tries = 0; tries < 120; ++tries) {
            auto const described = co_await client_.call("DescribeTable", name);
            if (described.at("Table").at("TableStatus") == "ACTIVE")
                co_return;
            timer.expires_after(std::chrono::milliseconds(500));
            co_await timer.async_wait(asio::use_awaitable);
        }
        throw std::runtime_error("the new table '" + table_ + "' did not become active within a minute");
    }

    asio::awaitable<void> delete_table() {
        json::object const name{{"TableName", table_}};
        co_await client_.call("DeleteTable", name);
    }

private:
    static json::object key() { return {{"pk", text("pk")}, {"sk", text("sk")}}; }

    // Consistent: what every write that ended before has left.
    asio::awaitable<json::object> read() {
        json::object const get{{"TableName", table_}, {"Key", key()}, {"ConsistentRead", true}};
        auto const reply = co_await client_.call("GetItem", get);
        co_return reply.at("Item").as_object();
    }

    asio::awaitable<void> update(std::string_view expression, json::object const& values,
                                 std::string_view condition = {}) {
        json::object change{{"TableName", table_},
                            {"Key", key()},
                            {"UpdateExpression", expression},
                            {"ExpressionAttributeValues", values}};
        if (!condition.empty())
            change["ConditionExpression"] = condition;
        co_await client_.call("UpdateItem", change);
    }

    adapters::dynamodb_client& client_;
    std::string table_;
};

} // namespace favorites
