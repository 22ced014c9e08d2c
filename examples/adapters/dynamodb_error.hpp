// SPDX-License-Identifier: BSL-1.0
#pragma once
// What DynamoDB answers when it does not do what it was asked, as an error_code category.

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

#include <string>
#include <string_view>
#include <type_traits>

namespace adapters {

enum class dynamodb_errc {
    throttled = 1,
    conditional_check_failed,
    validation,
    resource_not_found,
    resource_in_use,
    access_denied,
    internal_server_error,
    malformed_reply,
    unknown,
};

namespace detail {

class dynamodb_category_type final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "dynamodb"; }

    std::string message(int value) const override {
        switch (static_cast<dynamodb_errc>(value)) {
        case dynamodb_errc::throttled: return "throttled by DynamoDB";
        case dynamodb_errc::conditional_check_failed: return "the condition of the write does not hold";
        case dynamodb_errc::validation: return "DynamoDB finds the request invalid";
        case dynamodb_errc::resource_not_found: return "DynamoDB has no such table";
        case dynamodb_errc::resource_in_use: return "the table is being changed, or exists already";
        case dynamodb_errc::access_denied:
            return "DynamoDB denies access, or does not know these credentials";
        case dynamodb_errc::internal_server_error:
            return "internal error of DynamoDB, or of a proxy before it";
        case dynamodb_errc::malformed_reply: return "the reply is not DynamoDB's";
        case dynamodb_errc::unknown: break;
        }
        return "an error of DynamoDB that this program does not know";
    }
};

} // namespace detail

inline boost::system::error_category const& dynamodb_category() {
    static detail::dynamodb_category_type const category;
    return category;
}

inline boost::system::error_code make_error_code(dynamodb_errc value) {
    return {static_cast<int>(value), dynamodb_category()};
}

// From an error reply's HTTP status and the `__type` of its JSON, which is empty if it had none. Types come as
// "com.amazonaws.dynamodb.v20120810#ThrottlingException", sometimes bare, sometimes with ":http://…" behind them.
inline dynamodb_errc to_dynamodb_errc(unsigned http_status, std::string_view type) {
    if (auto const hash = type.find('#'); hash != std::string_view::npos)
        type.remove_prefix(hash + 1);
    type = type.substr(0, type.find(':'));
    auto const is_one_of = [type](auto... names) { return ((type == names) || ...); };
    if (is_one_of("ProvisionedThroughputExceededException", "ThrottlingException", "Throttling",
                  "RequestLimitExceeded", "TooManyRequestsException"))
        return dynamodb_errc::throttled;
    if (type == "ConditionalCheckFailedException")
        return dynamodb_errc::conditional_check_failed;
    if (is_one_of("ValidationException", "ValidationError", "SerializationException",
                  "ItemCollectionSizeLimitExceededException"))
        return dynamodb_errc::validation;
    if (type == "ResourceNotFoundException")
        return dynamodb_errc::resource_not_found;
    if (is_one_of("ResourceInUseException", "LimitExceededException", "TableAlreadyExistsException"))
        return dynamodb_errc::resource_in_use;
    if (is_one_of("AccessDeniedException", "UnrecognizedClientException", "IncompleteSignatureException",
                  "MissingAuthenticationToken", "MissingAuthenticationTokenException",
                  "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId",
                  "NotAuthorized"))
        return dynamodb_errc::access_denied;
    if (is_one_of("InternalServerError", "InternalServerErrorException", "InternalFailure",
                  "ServiceUnavailable", "ServiceUnavailableException"))
        return dynamodb_errc::internal_server_error;
    if (http_status == 429)
        return dynamodb_errc::throttled;
    if (http_status >= 500)
        return dynamodb_errc::internal_server_error;
    return type.empty() ? dynamodb_errc::malformed_reply : dynamodb_errc::unknown;
}

} // namespace adapters

template <>
struct boost::system::is_error_code_enum<adapters::dynamodb_errc> : std::true_type {};
