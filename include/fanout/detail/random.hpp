// SPDX-License-Identifier: BSL-1.0
#pragma once

// What jitter and tokens are drawn from. Not from <random>: it takes a twentieth of the time to compile that all of
// Asio takes.

#include <fanout/detail/requirements.hpp>

#include <algorithm> // std::uniform_random_bit_generator, in each standard library
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#if __has_include(<sys/random.h>)
#include <sys/random.h>
#include <unistd.h> // where some systems declare getentropy

#include <cerrno>
#include <system_error>
#else
#include <random>
#endif

namespace fanout::detail {

/// The numbers of `std::minstd_rand`.
class minimal_generator {
public:
    using result_type = std::uint32_t;

    constexpr explicit minimal_generator(result_type seed = 1) noexcept
        : last_(seed % modulus == 0 ? 1 : seed % modulus) {}

    static constexpr result_type min() noexcept { return 1; }
    static constexpr result_type max() noexcept { return modulus - 1; }

    constexpr result_type operator()() noexcept {
        last_ = static_cast<result_type>(std::uint64_t{last_} * 48271 % modulus);
        return last_;
    }

private:
    static constexpr result_type modulus = 2'147'483'647;

    result_type last_;
};

/// A number of [0, 1), with the 53 bits of a double.
template <std::uniform_random_bit_generator Generator>
double draw(Generator& generator) {
    constexpr auto least = (Generator::min)();
    constexpr auto choices = static_cast<double>((Generator::max)() - least) + 1.0;
    double sum = 0;
    double weight = 1;
    while (weight < 0x1p53) {
        sum += static_cast<double>(generator() - least) * weight;
        weight *= choices;
    }
    auto const drawn = sum / weight;
    return drawn < 1.0 ? drawn : 1.0 - std::numeric_limits<double>::epsilon() / 2; // it was rounded up
}

/// Fills it with the system's randomness.
///
/// @throws std::system_error where there is none.
inline void fill_random(std::uint8_t* bytes, std::size_t size) {
#if __has_include(<sys/random.h>)
    if (::getentropy(bytes, size) != 0) {
        throw std::system_error(errno, std::generic_category(), "fanout: getentropy");
    }
#else
    std::random_device device;
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<std::uint8_t>(device());
    }
#endif
}

/// A generator that nobody has seeded.
inline minimal_generator unseeded_generator() {
    std::uint8_t bytes[4];
    fill_random(bytes, sizeof bytes);
    return minimal_generator(bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 |
                             std::uint32_t{bytes[3]} << 24);
}

} // namespace fanout::detail
