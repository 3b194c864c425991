// SPDX-License-Identifier: Apache-2.0
// Memory that can be handed to another process: large blocks are files in memory, of which only the descriptor travels.
#pragma once

#include <cstddef>
#include <utility>

namespace aya::inline v1::detail {

/// So many bytes or more go through shared memory; less is copied through the pool's own buffers.
inline constexpr std::size_t shared_block_threshold = 64 * 1024;

/// Bytes aligned for every fundamental type, zero at first. Move-only.
class shared_block {
public:
    shared_block() = default;
    /// From the heap below the threshold, else a mapped file in memory, sealed against changes of its size. Throws std::bad_alloc,
    /// std::system_error.
    explicit shared_block(std::size_t bytes) : shared_block(bytes, bytes >= shared_block_threshold) {}
    /// A file in memory whatever the size, which must not be 0.
    [[nodiscard]] static shared_block mapped(std::size_t bytes) { return shared_block(bytes, true); }
    /// Maps a file in memory that another process has made, and owns its descriptor from now on, also when it throws. Throws
    /// std::runtime_error when that is not a sealed file of at least `bytes` bytes, and std::system_error.
    [[nodiscard]] static shared_block adopt(int descriptor, std::size_t bytes);

    shared_block(shared_block&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)),
          descriptor_(std::exchange(other.descriptor_, -1)) {}
    shared_block& operator=(shared_block&& other) noexcept {
        shared_block moved(std::move(other));
        std::swap(data_, moved.data_);
        std::swap(bytes_, moved.bytes_);
        std::swap(descriptor_, moved.descriptor_);
        return *this;
    }
    ~shared_block();

    [[nodiscard]] void* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
    /// -1 for a block from the heap.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

private:
    shared_block(std::size_t bytes, bool in_file);

    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    int descriptor_ = -1;
};

} // namespace aya::inline v1::detail
