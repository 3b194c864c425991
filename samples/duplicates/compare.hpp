// SPDX-License-Identifier: Apache-2.0
// Byte by byte: the last word on two files whose hashes agree.
#pragma once

#include "buffer.hpp"
#include "file.hpp"
#include "open.hpp"
#include "tally.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace duplicates {

enum class verdict {
    unknown,
    equal,
    different,
    no_member,         // it could not be read
    no_representative  // the other one could not be read: somebody else has to represent the group
};

struct pair {
    pair(std::size_t in_group, file* of_group, file* candidate)
        : group(in_group), representative(of_group), member(candidate) {}

    std::size_t group;
    file* representative;
    file* member;
    verdict result = verdict::unknown;
};

using pairs = std::vector<pair>;

class compare_job {
public:
    compare_job(pairs these, tally& counts) : pairs_(std::move(these)), counts_(counts) {}

    // Compares about `budget` bytes; true when every pair is done. Waits for the disk.
    bool step(std::uint64_t budget);

    pairs take() { return std::move(pairs_); }

private:
    // One of the two files: a descriptor and a chunk of content that stay as long as the file is the same.
    class side {
    public:
        bool open_this(file const& f, tally& counts);
        bool load(std::uint64_t offset, std::size_t length, tally& counts);
        char const* data() const { return chunk_.get(); }

    private:
        file const* open_ = nullptr;
        opener opener_;
        descriptor fd_;
        std::uint64_t chunk_offset_ = 0;
        std::size_t chunk_length_ = 0;
        buffer chunk_;
    };

    verdict open_both(pair const& two);
    verdict compare_chunk(pair const& two);

    pairs pairs_;
    tally& counts_;
    side left_;
    side right_;
    std::size_t at_ = 0;        // the pair in hand
    std::uint64_t offset_ = 0;  // and how much of it has been found equal
};

}  // namespace duplicates
