// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/process_message.hpp>

#include "process/descriptor.hpp"
#include "process/wire.hpp"

#include <aya/process_errors.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace aya::inline v1::detail {

namespace {

// An array: its length in bytes, with this bit when it is the next block.
constexpr std::uint64_t in_block = std::uint64_t{1} << 63;

// Elements without content take no bytes; so many of them are believed without any.
constexpr std::size_t elements_on_trust = 4096;

} // namespace

void process_message::seal() {
    if (bytes.size() <= most_inline_bytes)
        return;
    shared_block block = shared_block::mapped(bytes.size());
    std::memcpy(block.data(), bytes.data(), bytes.size());
    blocks.push_back(std::move(block));
    bytes = {};
    bytes_in_block = true;
}

void message_output::append(void const* data, std::size_t bytes) {
    auto const* const first = static_cast<std::byte const*>(data);
    message_->bytes.insert(message_->bytes.end(), first, first + bytes);
}

void message_output::append_size(std::size_t n) {
    std::uint64_t const wide = n;
    append(&wide, sizeof wide);
}

bool message_output::as_block(std::size_t bytes) const noexcept {
    // One is kept for the bytes themselves.
    return use_blocks_ && bytes >= shared_block_threshold && message_->blocks.size() + 1 < most_descriptors;
}

void message_output::append_array(void const* data, std::size_t bytes) {
    if (!as_block(bytes)) {
        append_size(bytes);
        append(data, bytes);
        return;
    }
    shared_block block(bytes);
    std::memcpy(block.data(), data, bytes);
    append_block(std::move(block));
}

void message_output::append_block(shared_block block) {
    if (block.descriptor() < 0 || !as_block(block.size())) {
        append_size(block.size());
        append(block.data(), block.size());
        return;
    }
    append_size(block.size() | in_block);
    message_->blocks.push_back(std::move(block));
}

message_input::message_input(process_message& m) noexcept
    : message_(&m), rest_(m.encoded()), blocks_(m.blocks.size() - (m.bytes_in_block && !m.blocks.empty() ? 1 : 0)) {}

void message_input::bad(char const* what) { throw serialization_error(what); }

void message_input::take(void* data, std::size_t bytes) {
    if (bytes > rest_.size())
        bad("aya::process_pool: the data end before the value does");
    if (bytes != 0)
        std::memcpy(data, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
}

std::size_t message_input::take_size() {
    std::uint64_t n = 0;
    take(&n, sizeof n);
    if (n > rest_.size() + elements_on_trust)
        bad("aya::process_pool: a container claims more elements than there are data");
    return static_cast<std::size_t>(n);
}

shared_block* message_input::find_block(std::size_t element, std::size_t& length) {
    std::uint64_t word = 0;
    take(&word, sizeof word);
    length = static_cast<std::size_t>(word & ~in_block);
    if (length % element != 0)
        bad("aya::process_pool: an array does not end with an element");
    if ((word & in_block) != 0) {
        if (next_block_ >= blocks_ || message_->blocks[next_block_].size() != length)
            bad("aya::process_pool: a block of shared memory is missing or has another size");
        return &message_->blocks[next_block_++];
    }
    if (length > rest_.size())
        bad("aya::process_pool: an array claims more bytes than there are");
    return nullptr;
}

shared_block message_input::take_block(std::size_t element) {
    std::size_t length = 0;
    if (shared_block* const beside = find_block(element, length))
        return std::move(*beside);
    shared_block block(length);
    take(block.data(), length);
    return block;
}

std::span<std::byte const> message_input::view_block(std::size_t element) {
    std::size_t length = 0;
    if (shared_block const* const beside = find_block(element, length))
        return {static_cast<std::byte const*>(beside->data()), length};
    std::span<std::byte const> const here = rest_.first(length);
    rest_ = rest_.subspan(length);
    return here;
}

void message_input::finish() const {
    if (!rest_.empty() || next_block_ != blocks_)
        bad("aya::process_pool: there are more data than the value has");
}

} // namespace aya::inline v1::detail
