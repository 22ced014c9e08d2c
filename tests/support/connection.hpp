// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the tests' pools hold.

#include "raise_to.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <utility>

namespace test {

/// Counts the connections there are, on any threads.
struct ledger {
    void one_more() {
        raise_to(peak, ++alive);
        ++made;
    }
    std::atomic<int> alive{0};
    std::atomic<int> peak{0};
    std::atomic<int> made{0};
};

/// What a pool holds: it can be moved and not copied, and must not be used by two at once.
class connection {
public:
    explicit connection(ledger& l) : ledger_(&l), number_(l.made) { l.one_more(); }
    connection(connection&& other) noexcept
        : broken(other.broken), ledger_(std::exchange(other.ledger_, nullptr)), number_(other.number_) {}
    connection& operator=(connection&&) = delete;
    ~connection() {
        if (ledger_ != nullptr) {
            CHECK(users == 0);
            --ledger_->alive;
        }
    }

    int number() const { return number_; }

    bool broken = false;
    int users = 0;

private:
    ledger* ledger_;
    int number_;
};

/// A turn of use.
class use {
public:
    explicit use(connection& c) : connection_(&c) { CHECK(++c.users == 1); }
    use(use const&) = delete;
    use& operator=(use const&) = delete;
    ~use() { --connection_->users; }

private:
    connection* connection_;
};

} // namespace test
