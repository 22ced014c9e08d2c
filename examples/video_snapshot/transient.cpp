// SPDX-License-Identifier: BSL-1.0
#include "transient.hpp"

#include "../adapters/dynamodb.hpp"
#include "../adapters/sqlite.hpp"

namespace snapshot {

bool is_worth_a_retry(boost::system::error_code const& error) {
    // A file that another process holds locked may be free soon; a full disk will not be empty soon.
    if (error.category() == adapters::sqlite_category())
        return error.value() == SQLITE_BUSY || error.value() == SQLITE_LOCKED;
    return adapters::is_transient(error);
}

bool is_throttled(boost::system::error_code const& error) {
    return error == adapters::dynamodb_errc::throttled;
}

} // namespace snapshot
