// SPDX-License-Identifier: BSL-1.0
#pragma once

// At most so many children of one call per key, in order.

#include <fanout/named.hpp>

#include <cstddef>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace fanout {

/// What `keyed(n, key)` makes.
template <class Key>
class keyed_t {
public:
    /// What `keyed` does.
    ///
    /// @throws std::invalid_argument where a number is 0.
    keyed_t(std::size_t permits, Key key, std::size_t lookahead)
        : permits_(permits), lookahead_(lookahead), key_(std::move(key)) {
        if (permits == 0) {
            throw std::invalid_argument(
                "fanout::keyed: the number of children per key must be at least 1, or "
                "nothing would ever run");
        }
        if (lookahead == 0) {
            throw std::invalid_argument("fanout::keyed: lookahead must be at least 1");
        }
    }

    /// How many children per key may be in flight.
    std::size_t permits() const noexcept { return permits_; }
    /// How many inputs may wait for their key.
    std::size_t lookahead() const noexcept { return lookahead_; }
    /// What tells the key of an input.
    Key& key() noexcept { return key_; }

private:
    std::size_t permits_;
    std::size_t lookahead_;
    Key key_;
};

/// At most `n` children of this call in flight per key; within a key they start in the order of the inputs.
///
///     auto const customer = [](order const& o) { return o.customer; };
///     co_await fanout::retry_rejected(orders, submit, policy,
///                                     fanout::all_of(fanout::limit(64), fanout::keyed(1, customer)));
///
/// An input whose key is busy waits aside, and those behind it go on; up to `lookahead` inputs wait so, then no
/// further one is pulled until one of them has started. An input that sleeps before a retry keeps its place in
/// its key, or the order would be lost: with `n` = 1 the inputs of a key run strictly one after another,
/// retries included.
///
/// @param n At least 1.
/// @param key Called with each input, on the fan-out's executor. What it returns is copied, and has `std::hash`
///   or `<`; it must not refer to an input that the range makes on the fly, which is moved while it waits.
/// @param lookahead At least 1; 1,024 by default.
/// @returns A limit for one call. Needs the form of inputs and a factory.
/// @throws std::invalid_argument where `n` or `lookahead` is 0. What `key` throws ends the call, as a source that throws.
/// @par Lifetimes
///   `key` is copied or moved, and kept until the call has completed.
/// @par Complexity
///   A look-up per input, in a hash table or a tree of the keys that are busy; memory for these and for `lookahead` inputs.
template <class Key>
keyed_t<std::decay_t<Key>> keyed(std::size_t n, Key&& key, std::size_t lookahead = 1024) {
    detail::refuse_unsafe_closure<Key>();
    return {n, std::forward<Key>(key), lookahead};
}

} // namespace fanout
