// SPDX-License-Identifier: BSL-1.0
#pragma once
// A MySQL or MariaDB server as the lab's backend: a table of its own, and one atomic update in it for each input.

#include "../../examples/adapters/url.hpp"
#include "endpoint_server.hpp"

#include <chrono>
#include <cstddef>
#include <memory>

namespace lab {

struct mysql_options {
    adapters::mysql_url url;
    std::size_t connections = 0;       // 0: as many as the server has left, but no more than 256
    std::chrono::nanoseconds sleep{0}; // of the server in each update, on top of what that takes
    std::size_t rows = 4096;           // of the table; inputs beyond begin again at its first row
};

std::unique_ptr<server> make_mysql_server(mysql_options options);

} // namespace lab
