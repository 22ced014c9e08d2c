// SPDX-License-Identifier: BSL-1.0
#pragma once
// A backend in virtual time: so many calls served at once, the others wait in line; what comes too fast is throttled,
// what has no connection is refused, and some fail.

#include <fanout/detail/token_bucket.hpp>

#include "distribution.hpp"
#include "endpoint.hpp"
#include "simulated_clock.hpp"

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <type_traits>
#include <vector>

namespace lab {

enum class backend_error {
    throttled = 1, // more than the rate that it accepts
    refused,       // no connection is free
    failed,        // it was served, in vain
};
boost::system::error_code make_error_code(backend_error e) noexcept;

struct backend_options {
    std::size_t capacity = 0; // calls served at once, the others wait first come first served; 0: any number
    distribution service = distribution::constant{std::chrono::milliseconds(10)};
    duration network = std::chrono::milliseconds(1); // there and back; a throttled call takes no more
    double throttle = 0;                             // calls accepted per second; 0: any number
    double burst = 1;                                // calls accepted at once after a pause
    double errors = 0;                               // share of those served that fail
    std::size_t connections = 0;                     // calls in flight, the next is refused; 0: any number
    std::uint64_t seed = 1;

    std::string text() const; // what is not the default
};

// What a call takes, and whether it fails, depends on seed, input and attempt alone: each strategy meets the same fate.
class simulated_backend final : public endpoint {
public:
    explicit simulated_backend(backend_options options);

    boost::asio::awaitable<answer> call(std::size_t input, std::uint32_t attempt) override;
    bool is_overload(fanout::error_code const& error) const noexcept override;

private:
    using time_point = simulated_clock::time_point;

    time_point served(time_point arrived, duration takes);

    backend_options options_;
    std::optional<fanout::detail::token_bucket<time_point>> accepted_;
    // When each place is free again that is or was taken: a call's end is known as soon as it arrives. One that is
    // cancelled keeps its place, since a server knows nothing of that.
    std::priority_queue<time_point, std::vector<time_point>, std::greater<>> places_;
    std::size_t connected_ = 0;
};

} // namespace lab

template <>
struct boost::system::is_error_code_enum<lab::backend_error> : std::true_type {};
