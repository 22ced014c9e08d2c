// SPDX-License-Identifier: BSL-1.0
#include <fanout/limit/pool.hpp>

#include "../adapters/mysql.hpp"
#include "servers.hpp"

#include <stdexcept>

namespace snapshot {

namespace asio = boost::asio;
namespace mysql = boost::mysql;

namespace {

// VIDEO_ID may be text or a number.
std::string id_of(mysql::field_view field) {
    if (field.is_string())
        return std::string(field.get_string());
    if (field.is_int64())
        return std::to_string(field.get_int64());
    if (field.is_uint64())
        return std::to_string(field.get_uint64());
    throw std::runtime_error("MySQL: a VIDEO_ID is NULL, or neither text nor a whole number");
}

std::optional<std::int64_t> count_of(mysql::field_view field, std::string const& id) {
    if (field.is_null())
        return std::nullopt;
    if (field.is_int64())
        return field.get_int64();
    if (field.is_uint64() && field.get_uint64() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return static_cast<std::int64_t>(field.get_uint64());
    throw std::runtime_error("MySQL: the VIEW of video '" + id + "' is not a whole number up to 2^63 - 1");
}

using session_ptr = std::unique_ptr<adapters::mysql_session>;

// A coroutine with a copy of the URL, which so lives as long as it runs.
asio::awaitable<session_ptr> open_session(adapters::mysql_url url) {
    auto out = std::make_unique<adapters::mysql_session>(std::move(url));
    co_await out->connect();
    co_return out;
}

class mysql_source final : public video_source {
public:
    explicit mysql_source(adapters::mysql_url url)
        : sessions_(1, [url = std::move(url)] { return open_session(url); }) {}

    asio::awaitable<std::vector<video>> videos() override {
        auto const session = co_await sessions_.acquire();
        std::vector<video> out;
        auto add = [&out](mysql::row_view row) {
            auto id = id_of(row.at(0));
            auto const count = count_of(row.at(1), id);
            out.push_back({std::move(id), count});
        };
        co_await (*session)->read("SELECT VIDEO_ID, VIEW FROM VIDEO ORDER BY VIDEO_ID", add);
        // Not given back: the writes, which follow, may take longer than the server keeps an idle session.
        co_await (*session)->close();
        co_return out;
    }

private:
    fanout::pool<session_ptr> sessions_;
};

} // namespace

std::unique_ptr<video_source> make_mysql_source(adapters::mysql_url url) {
    return std::make_unique<mysql_source>(std::move(url));
}

} // namespace snapshot
