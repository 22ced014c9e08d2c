// SPDX-License-Identifier: BSL-1.0
#pragma once
// DynamoDB as the lab's backend: a table of its own, and one UpdateItem with ADD for each input.

#include "../../examples/adapters/sigv4.hpp"
#include "../../examples/adapters/url.hpp"
#include "endpoint_server.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <memory>

namespace lab {

struct dynamodb_options {
    adapters::http_url url;
    adapters::aws_credentials credentials;
    std::size_t connections = 0; // 0: 256
    std::size_t rows = 4096;     // items that the inputs update; inputs beyond begin again at the first
};

// `executor` must be serial.
std::unique_ptr<server> make_dynamodb_server(boost::asio::any_io_executor executor, dynamodb_options options);

} // namespace lab
