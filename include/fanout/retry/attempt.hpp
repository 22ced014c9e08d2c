// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a factory may know of the attempt that it makes: its number, its deadline, and a token that is the same
// for each attempt of one input.

#include <fanout/detail/random.hpp>

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace fanout {

/// Names one input of one call: the same in each attempt of it, another for each other input and each other
/// call. Give it to a server that tells by it that it has seen a request before (DynamoDB's
/// `ClientRequestToken`, an `Idempotency-Key` header), and an attempt whose predecessor took effect unnoticed
/// does no harm.
///
/// It does not outlive the call: a program that is run again makes new ones. Where a request has a natural name
/// (the day and the video), that is the better token.
class idempotency_token {
public:
    constexpr idempotency_token() noexcept = default;
    /// That of these bytes.
    constexpr explicit idempotency_token(std::array<std::uint8_t, 16> const& bytes) noexcept
        : bytes_(bytes) {}

    /// Its 16 bytes.
    constexpr std::array<std::uint8_t, 16> const& bytes() const noexcept { return bytes_; }

    /// As the text of a UUID (RFC 9562, version 8): 36 characters.
    std::string to_string() const {
        constexpr auto digits = "0123456789abcdef";
        std::string text;
        text.reserve(36);
        for (std::size_t i = 0; i < bytes_.size(); ++i) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                text += '-';
            }
            text += digits[bytes_[i] >> 4];
            text += digits[bytes_[i] & 15];
        }
        return text;
    }

    friend constexpr auto operator<=>(idempotency_token const&, idempotency_token const&) noexcept = default;

private:
    std::array<std::uint8_t, 16> bytes_{};
};

/// What a factory is told of the attempt, where it takes it as its last parameter:
///
///     fanout::retry_rejected(rows, [&](row const& r, fanout::attempt const& a) {
///         return table.put(r, a.token.to_string());
///     });
///
/// It lives until the child has ended, so the child may hold it by reference.
template <class Clock>
struct basic_attempt {
    using time_point = typename Clock::time_point;

    std::uint32_t number = 1; ///< 1 for the first

    /// When the child will be cancelled: by its own time limit or by the deadline of the whole call, whichever
    /// comes first. None where there is neither.
    std::optional<time_point> deadline;

    idempotency_token token; ///< the same for each attempt of one input

    /// How long there is left until the deadline, at least 0; none where there is no deadline.
    std::optional<typename Clock::duration> time_left() const {
        if (!deadline) {
            return std::nullopt;
        }
        auto const now = Clock::now();
        return *deadline > now ? *deadline - now : Clock::duration::zero();
    }
};

/// An attempt by the steady clock, as `options` has it.
using attempt = basic_attempt<std::chrono::steady_clock>;

namespace detail {

/// Makes the tokens of one call: random bits, and the place of the input.
class token_source {
public:
    /// From the system's randomness, never from a generator that tests seed: two runs must not agree.
    void seed() {
        fill_random(seed_.data(), seed_.size());
        seed_[6] = static_cast<std::uint8_t>((seed_[6] & 0x0fU) | 0x80U); // version 8
    }

    idempotency_token of(std::size_t index) const noexcept {
        auto bytes = seed_;
        auto carry = static_cast<std::uint64_t>(index);
        for (std::size_t i = 16; i-- > 9;) { // the last 7 bytes, as a number: seed + index
            carry += bytes[i];
            bytes[i] = static_cast<std::uint8_t>(carry);
            carry >>= 8;
        }
        bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U); // variant of RFC 9562
        return idempotency_token(bytes);
    }

private:
    std::array<std::uint8_t, 16> seed_{};
};

} // namespace detail
} // namespace fanout
