// SPDX-License-Identifier: Apache-2.0
#include "io/byte_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace aya::inline v1::io::detail {

std::span<char> byte_buffer::prepare(std::size_t least) {
    if (capacity_ - end_ >= least)
        return {data_.get() + end_, capacity_ - end_};
    if (capacity_ - size() >= least && begin_ >= size()) { // no overlap, and not too often
        std::memcpy(data_.get(), data_.get() + begin_, size());
    } else {
        std::size_t const capacity = std::max(size() + least, empty() ? least : 2 * capacity_);
        std::unique_ptr<char[]> larger(new char[capacity]); // not cleared
        if (!empty())
            std::memcpy(larger.get(), data_.get() + begin_, size());
        data_ = std::move(larger);
        capacity_ = capacity;
    }
    end_ -= begin_;
    begin_ = 0;
    return {data_.get() + end_, capacity_ - end_};
}

void byte_buffer::append(std::string_view bytes) {
    if (bytes.empty())
        return;
    std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
    commit(bytes.size());
}

void byte_buffer::consume(std::size_t n) noexcept {
    begin_ += std::min(n, size());
    if (begin_ != end_)
        return;
    begin_ = end_ = 0;
    shrink(kept_when_empty_);
}

void byte_buffer::shrink(std::size_t most) noexcept {
    if (!empty() || capacity_ <= most)
        return;
    data_.reset();
    capacity_ = begin_ = end_ = 0;
}

std::string byte_buffer::take(std::size_t n) {
    std::string bytes(view().substr(0, n));
    consume(n);
    return bytes;
}

} // namespace aya::inline v1::io::detail
