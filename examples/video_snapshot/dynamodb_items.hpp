// SPDX-License-Identifier: BSL-1.0
#pragma once
// The snapshot's requests to DynamoDB as JSON, and what its replies hold: no I/O.
//
// An item is { id: S, history: L of M {date: S, view_count: N or NULL}, days: SS }. The list is the article's; no
// condition can look for a date inside its maps, so the set `days` beside it holds each recorded day, and one
// UpdateItem changes both under the condition that the day is not in the set. An item that has only the list (of an
// older program) is read before the writes start, and its day found there.

#include "video.hpp"

#include <boost/json.hpp>

#include <string>
#include <string_view>

namespace snapshot {

namespace json = boost::json;

// Numbers travel as text, so that 2^63 - 1 stays exact.
inline json::object number_or_null(std::optional<std::int64_t> const& value) {
    if (!value)
        return {{"NULL", true}};
    return {{"N", std::to_string(*value)}};
}

inline json::object update_item(std::string const& table, video const& v, std::string const& day) {
    json::object const entry{{"date", {{"S", day}}}, {"view_count", number_or_null(v.view_count)}};
    json::array const days{day};
    json::array const entries{json::object{{"M", entry}}};
    return {
        {"TableName", table},
        {"Key", {{"id", {{"S", v.id}}}}},
        {"UpdateExpression", "SET history = list_append(if_not_exists(history, :empty), :p) ADD days :days"},
        {"ConditionExpression", "NOT contains(days, :day)"},
        {"ExpressionAttributeValues",
         {{":empty", {{"L", json::array()}}},
          {":p", {{"L", entries}}},
          {":days", {{"SS", days}}},
          {":day", {{"S", day}}}}},
    };
}

// One page of the whole table; `after` is the last page's LastEvaluatedKey, or null.
inline json::object scan_page(std::string const& table, json::value const& after) {
    json::object out{{"TableName", table}, {"ConsistentRead", true}, {"ProjectionExpression", "id, history"}};
    if (after.is_object())
        out["ExclusiveStartKey"] = after;
    return out;
}

inline json::object create_table(std::string const& table) {
    json::array const key{json::object{{"AttributeName", "id"}, {"KeyType", "HASH"}}};
    json::array const attributes{json::object{{"AttributeName", "id"}, {"AttributeType", "S"}}};
    return {{"TableName", table},
            {"KeySchema", key},
            {"AttributeDefinitions", attributes},
            {"BillingMode", "PAY_PER_REQUEST"}};
}

// How many entries of an item's history are of the day. A date may go on with a time: 2026-11-22T00:00:00Z.
inline unsigned count_day(json::object const& item, std::string_view day) {
    auto const member = [](json::value const* in, std::string_view name) {
        auto const* object = in ? in->if_object() : nullptr;
        return object ? object->if_contains(name) : nullptr;
    };
    auto const* list = member(item.if_contains("history"), "L");
    unsigned out = 0;
    if (!list || !list->is_array())
        return out;
    for (auto const& entry : list->get_array()) {
        auto const* date = member(member(member(&entry, "M"), "date"), "S");
        if (date && date->is_string() && std::string_view(date->get_string()).starts_with(day))
            ++out;
    }
    return out;
}

// Adds a scan's page to `out`.
inline void add_entries(json::object const& page, std::string_view day, entries_of_day& out) {
    auto const* items = page.if_contains("Items");
    if (!items || !items->is_array())
        return;
    for (auto const& value : items->get_array()) {
        auto const* item = value.if_object();
        auto const* id = item ? item->if_contains("id") : nullptr;
        auto const* text = id && id->is_object() ? id->get_object().if_contains("S") : nullptr;
        if (!text || !text->is_string())
            continue;
        if (auto const count = count_day(*item, day))
            out.emplace(std::string_view(text->get_string()), count);
    }
}

} // namespace snapshot
