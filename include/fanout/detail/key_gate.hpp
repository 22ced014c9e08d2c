// SPDX-License-Identifier: BSL-1.0
#pragma once

// How many children run per key, and who waits for a busy one. No Asio.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace fanout::detail {

template <class Key>
concept hashable = requires(Key const& k) {
    { std::hash<Key>{}(k) } -> std::convertible_to<std::size_t>;
    { k == k } -> std::convertible_to<bool>;
};

/// `Entry` is what is kept of an input that waits.
template <class Key, class Entry>
class key_gate {
    struct line;
    struct waiter {
        line* at;
        Entry entry;
    };
    /// By when they came. A node goes from one to another without memory; `<list>`, which could do so, too, is a header
    /// that nothing else here includes.
    using queue = std::map<std::uint64_t, waiter>;
    struct line {
        std::size_t running = 0;
        Key const* key = nullptr;
        queue waiting;
    };
    using lines =
        typename std::conditional_t<hashable<Key>, std::type_identity<std::unordered_map<Key, line>>,
                                    std::type_identity<std::map<Key, line>>>::type;

public:
    /// A key that is busy. Stays valid while a place in it is held.
    using place = line*;

    explicit key_gate(std::size_t permits) : permits_(permits) {}

    /// A place in the input's key; where that is full, null, and the entry waits: see `pop`.
    place enter(Key&& key, Entry& entry) {
        auto const [at, fresh] = lines_.try_emplace(std::move(key));
        auto& l = at->second;
        l.key = &at->first;
        if (l.running == permits_) {
            l.waiting.emplace_hint(l.waiting.end(), came_++, waiter{&l, std::move(entry)});
            return nullptr;
        }
        ++l.running;
        return &l;
    }

    /// Gives a place back; true where it passed to one that waited, which `pop` hands out.
    bool leave(place p) noexcept {
        if (p->waiting.empty()) {
            if (--p->running == 0) {
                lines_.erase(lines_.find(*p->key));
            }
            return false;
        }
        auto first = p->waiting.extract(p->waiting.begin());
        first.key() = came_++;
        ready_.insert(ready_.end(), std::move(first));
        return true;
    }

    /// The first of those whose turn it is, and its place.
    std::pair<place, Entry> pop() {
        auto first = ready_.extract(ready_.begin());
        return {first.mapped().at, std::move(first.mapped().entry)};
    }

    /// The fan-out was stopped: nobody waits any more.
    void clear() noexcept {
        ready_.clear();
        for (auto& l : lines_) {
            l.second.waiting.clear();
        }
    }

private:
    std::size_t permits_;
    lines lines_;
    queue ready_;
    std::uint64_t came_ = 0;
};

} // namespace fanout::detail
