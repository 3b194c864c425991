// SPDX-License-Identifier: Apache-2.0
// A sieve keeps back the first file it sees of every key; the second one with that key lets both pass. Every
// stage narrows the field with one: first by size, then by size and head, then by size and content.
#pragma once

#include "batch.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace duplicates {

struct content_key {
    std::uint64_t size = 0;
    digest hash{};

    bool operator==(content_key const& other) const {
        return size == other.size && XXH128_isEqual(hash, other.hash) != 0;
    }
};

struct content_key_hash {
    std::size_t operator()(content_key const& key) const { return key.hash.low64 ^ key.size; }
};

template <typename Key, typename Hash = std::hash<Key>>
class sieve {
public:
    template <typename Pass>
    void offer(Key const& key, file* f, Pass&& pass) {
        auto const [slot, first] = kept_.try_emplace(key, f);
        if (first) {
            return;
        }
        if (slot->second != nullptr) {
            pass(slot->second);
            slot->second = nullptr;
        }
        pass(f);
    }

private:
    std::unordered_map<Key, file*, Hash> kept_;
};

using size_sieve = sieve<std::uint64_t>;
using head_sieve = sieve<content_key, content_key_hash>;

}  // namespace duplicates
