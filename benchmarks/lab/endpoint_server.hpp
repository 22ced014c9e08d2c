// SPDX-License-Identifier: BSL-1.0
#pragma once
// A real server as a backend: what the lab asks of one beside the calls.

#include "endpoint.hpp"

#include <boost/asio/awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lab {

// Which errors the calls had, and how many had each; in the order of their first.
class error_counts {
public:
    void add(std::string const& what) {
        auto const found = std::ranges::find(counts_, what, &entry::first);
        if (found != counts_.end())
            ++found->second;
        else
            counts_.emplace_back(counts_.size() < most ? what : "other errors", 1);
    }
    auto begin() const { return counts_.begin(); }
    auto end() const { return counts_.end(); }

private:
    using entry = std::pair<std::string, std::size_t>;
    static constexpr std::size_t most = 8;
    std::vector<entry> counts_;
};

// Not thread-safe: for one serial executor.
class server : public endpoint {
public:
    virtual std::string kind() const = 0;  // "mysql"
    virtual std::string where() const = 0; // "MySQL at db.example:3306"
    virtual std::string table() const = 0; // its own, whose name no other run has

    // Makes the table and opens the connections. Throws where the server cannot be used; remove() may have to follow then,
    // too.
    virtual boost::asio::awaitable<void> prepare() = 0;
    // Drops the table if it may be there, by a connection of its own: those of the calls may be in the middle of one.
    virtual boost::asio::awaitable<void> remove() = 0;

    // Throws where the server does not answer.
    virtual boost::asio::awaitable<void> ping() = 0;
    // How many updates the table has seen, by the server's own count; nothing where it does not keep one.
    virtual boost::asio::awaitable<std::optional<std::uint64_t>> updates() = 0;

    virtual std::size_t connections() const = 0;           // that calls may use; to be asked after prepare()
    std::uint64_t succeeded() const { return succeeded_; } // calls, from prepare() on
    std::size_t refused() const { return refused_; }       // calls for which the server gave no connection
    error_counts const& errors() const { return errors_; }

protected:
    answer done() {
        ++succeeded_;
        return boost::outcome_v2::success();
    }
    // Notes an error of a call; returns it.
    fanout::error_code failed(fanout::error_code const& error, std::string const& what, bool refused) {
        errors_.add(what);
        refused_ += refused ? 1 : 0;
        return error;
    }

private:
    std::uint64_t succeeded_ = 0;
    std::size_t refused_ = 0;
    error_counts errors_;
};

// "fanout_lab_" and 64 random bits: letters, digits and underscores only, so that it needs no quotes.
inline std::string random_table_name() {
    std::random_device device;
    std::string out = "fanout_lab_";
    for (int i = 0; i < 16; ++i)
        out += "0123456789abcdef"[device() % 16];
    return out;
}

} // namespace lab
