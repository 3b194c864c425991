// SPDX-License-Identifier: Apache-2.0
// Groups of equal files: who is to be compared with whom, what came of it, and what is printed in the end.
#pragma once

#include "batch.hpp"
#include "compare.hpp"
#include "file.hpp"
#include "sieve.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace duplicates {

// Puts files of one hash together: the first one represents the group, each further one makes a pair with it.
class grouper {
public:
    // hash_bits < 64 looks at a part of the hash only, so that files fall together that are not equal: this
    // is how the comparison is tried out.
    explicit grouper(unsigned hash_bits) : hash_bits_(hash_bits) {}

    template <typename Pass>
    void offer(content_key key, file* f, Pass&& pass) {
        if (hash_bits_ < 64) {
            key.hash.low64 &= (std::uint64_t{1} << hash_bits_) - 1;
            key.hash.high64 = 0;
        }
        auto const [slot, first] = groups_.try_emplace(key, representative{groups_.size(), f});
        if (!first) {
            pass(pair(slot->second.group, slot->second.of, f));
        }
    }

private:
    struct representative {
        std::size_t group;
        file* of;
    };
    unsigned hash_bits_;
    std::unordered_map<content_key, representative, content_key_hash> groups_;
};

// Collects what the comparison found.
class collector {
public:
    void add(pairs const& compared);

    // The files that turned out to differ from their representative, made into pairs anew: the first of each
    // group represents the others. Empty when nothing is left to compare. Only once all pairs handed out have
    // come back.
    pairs rematch();

    struct group {
        file* representative = nullptr;
        std::vector<file*> members;
        std::vector<file*> rejected;
    };
    std::vector<group> const& groups() const { return groups_; }

private:
    std::vector<group> groups_;
};

// A group as it is printed.
struct result {
    std::uint64_t size = 0;
    std::vector<std::string> paths;
};

// Sorted by size, the largest first, then by path, whatever the order in which the groups were found. One
// path stands for all the names of an inode, unless every_name: then `linked`, the files with several names,
// are groups as well.
std::vector<result> sorted_results(collector const& found, std::vector<file*> const& linked,
                                   bool every_name);

}  // namespace duplicates
