// SPDX-License-Identifier: BSL-1.0
#pragma once
// The real ends: counts from MySQL, history in DynamoDB.

#include "arguments.hpp"
#include "video.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>

namespace snapshot {

// Connects when videos() is called, and leaves when it is done: the writes may take long.
std::unique_ptr<video_source> make_mysql_source(adapters::mysql_url url);

// `executor` must be serial. Throws usage_error where credentials are missing in the environment.
std::unique_ptr<snapshot_target> make_dynamodb_target(boost::asio::any_io_executor executor,
                                                      arguments const& all, server_arguments const& servers);

} // namespace snapshot
