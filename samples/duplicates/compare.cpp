// SPDX-License-Identifier: Apache-2.0
#include "compare.hpp"

#include "heads.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace duplicates {
namespace {

constexpr std::size_t chunk_size = 128 * 1024;

}  // namespace

bool compare_job::side::open_this(file const& f, tally& counts) {
    if (open_ != &f) {
        open_ = &f;
        chunk_length_ = 0;
        fd_ = opener_.open(f);
        if (!fd_) {
            skip_unreadable(counts, f, errno);
        }
    }
    return static_cast<bool>(fd_);
}

bool compare_job::side::load(std::uint64_t offset, std::size_t length, tally& counts) {
    if (chunk_length_ == length && chunk_offset_ == offset) {
        return true;  // a small representative is read once for all its members
    }
    if (!chunk_) {
        chunk_ = make_buffer(chunk_size);
    }
    chunk_offset_ = offset;
    chunk_length_ = 0;
    ssize_t const got = read_enough(fd_.get(), chunk_.get(), length, length, static_cast<off_t>(offset));
    if (got < 0) {
        skip_unreadable(counts, *open_, errno);
        return false;
    }
    if (static_cast<std::size_t>(got) != length) {
        counts.skip(skipped::changed, path_of(*open_));
        return false;
    }
    chunk_length_ = length;
    counts.bytes.fetch_add(length, tally::relaxed);
    return true;
}

verdict compare_job::open_both(pair const& two) {
    if (!left_.open_this(*two.representative, counts_)) {
        return verdict::no_representative;
    }
    return right_.open_this(*two.member, counts_) ? verdict::unknown : verdict::no_member;
}

// Compares on from offset_; unknown while there is more to compare.
verdict compare_job::compare_chunk(pair const& two) {
    std::uint64_t const left = two.member->size - offset_;
    auto const length = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_size));
    if (length == 0) {
        return verdict::equal;
    }
    if (!left_.load(offset_, length, counts_)) {
        return verdict::no_representative;
    }
    if (!right_.load(offset_, length, counts_)) {
        return verdict::no_member;
    }
    offset_ += length;
    return std::memcmp(left_.data(), right_.data(), length) == 0 ? verdict::unknown : verdict::different;
}

bool compare_job::step(std::uint64_t budget) {
    while (at_ < pairs_.size()) {
        pair& two = pairs_[at_];
        two.result = open_both(two);
        while (two.result == verdict::unknown) {
            if (counts_.stopped()) {
                return true;
            }
            if (budget < chunk_size) {
                return false;
            }
            budget -= chunk_size;
            two.result = compare_chunk(two);
        }
        ++at_;
        offset_ = 0;
    }
    return true;
}

}  // namespace duplicates
