// SPDX-License-Identifier: Apache-2.0
// What goes to a child process and comes back: bytes, and large blocks beside them.
#pragma once

#include <aya/detail/shared_block.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aya::inline v1::detail {

/// Arguments or a result, encoded. The bytes are in `bytes`, or, when they are too many for the pool's buffers, in the last block.
struct process_message {
    std::vector<std::byte> bytes;
    std::vector<shared_block> blocks;
    bool bytes_in_block = false;

    [[nodiscard]] std::span<std::byte const> encoded() const noexcept {
        if (!bytes_in_block || blocks.empty())
            return bytes;
        return {static_cast<std::byte const*>(blocks.back().data()), blocks.back().size()};
    }
    /// Called when all is encoded: moves the bytes into a block if they are too many.
    void seal();
};

/// How a call ended in the child. The numbers travel.
enum class process_status : std::uint32_t {
    returned = 0,
    threw = 1,            ///< two strings: the exception's type and its text
    not_serializable = 2, ///< a string: why the arguments could not be decoded, or the result not encoded
    unknown_function = 3
};

/// Appends to a message. For process_writer, which gives it types.
class message_output {
public:
    explicit message_output(process_message& m, bool use_blocks = true) noexcept : message_(&m), use_blocks_(use_blocks) {}

    void append(void const* data, std::size_t bytes);
    void append_size(std::size_t n);
    /// A number of bytes and the bytes themselves, in a block if they are many.
    void append_array(void const* data, std::size_t bytes);
    /// The same, taking the block over.
    void append_block(shared_block block);

private:
    [[nodiscard]] bool as_block(std::size_t bytes) const noexcept;

    process_message* message_;
    bool use_blocks_;
};

/// Reads a message, which must outlive it. Whatever is not as it should be throws serialization_error.
class message_input {
public:
    explicit message_input(process_message& m) noexcept;

    void take(void* data, std::size_t bytes);
    /// A number of elements that follow: never (much) more than there are bytes.
    [[nodiscard]] std::size_t take_size();
    /// What append_array() or append_block() have written, whose length must be a multiple of `element`.
    [[nodiscard]] shared_block take_block(std::size_t element);
    /// The same, where it lies.
    [[nodiscard]] std::span<std::byte const> view_block(std::size_t element);
    /// The message must be over.
    void finish() const;

private:
    [[noreturn]] static void bad(char const* what);
    /// The block beside the message, or null when the bytes of it follow.
    [[nodiscard]] shared_block* find_block(std::size_t element, std::size_t& length);

    process_message* message_;
    std::span<std::byte const> rest_;
    std::size_t next_block_ = 0;
    std::size_t blocks_;
};

} // namespace aya::inline v1::detail
