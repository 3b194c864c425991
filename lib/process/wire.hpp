// SPDX-License-Identifier: Apache-2.0
// What parent and child have in common: a file in memory with two rings of bytes, and a socket, which carries descriptors and wakes
// whoever sleeps. The parent trusts nothing in it: the child may have overwritten all of it.
#pragma once

#include "process/descriptor.hpp"

#include <aya/detail/process_message.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace aya::inline v1::detail {

inline constexpr std::uint64_t wire_magic = 0x617961'70726f63'01; // "ayaproc", version
inline constexpr std::size_t ring_bytes = 256 * 1024;
inline constexpr std::size_t most_inline_bytes = 32 * 1024; // of one message; more goes in a block

// The child finds them here.
inline constexpr int child_socket = 3;
inline constexpr int child_memory = 4;
inline constexpr char const* child_marker = "--aya-process-worker";

/// One call, or the end of one. The sizes of the blocks (std::uint64_t each) follow, then the bytes.
struct wire_header {
    std::uint32_t bytes = 0;
    std::uint16_t blocks = 0;
    std::uint16_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t status = 0;   // of an end: a process_status
    std::uint64_t function = 0; // of a call
};
static_assert(sizeof(wire_header) == 24);
inline constexpr std::uint16_t flag_bytes_in_block = 1;

/// A ring of bytes by absolute positions; who may touch which part is the callers' affair.
class ring_view {
public:
    ring_view() = default;
    explicit ring_view(std::byte* base) noexcept : base_(base) {}

    void copy_in(std::uint64_t position, void const* data, std::size_t bytes) noexcept {
        std::size_t const at = position % ring_bytes, first = bytes < ring_bytes - at ? bytes : ring_bytes - at;
        if (first != 0)
            std::memcpy(base_ + at, data, first);
        if (bytes != first)
            std::memcpy(base_, static_cast<std::byte const*>(data) + first, bytes - first);
    }
    void copy_out(std::uint64_t position, void* data, std::size_t bytes) const noexcept {
        std::size_t const at = position % ring_bytes, first = bytes < ring_bytes - at ? bytes : ring_bytes - at;
        if (first != 0)
            std::memcpy(data, base_ + at, first);
        if (bytes != first)
            std::memcpy(static_cast<std::byte*>(data) + first, base_, bytes - first);
    }

private:
    std::byte* base_ = nullptr;
};

/// The claim word: how many calls the child has begun (low half), and how many it may begin (high half). A call belongs to whoever moves
/// the word past it: the child, which begins it, or the parent, which takes it back. So the parent knows of a dead child what it had
/// begun, and can stop a living one from beginning more.
[[nodiscard]] constexpr std::uint32_t begun_of(std::uint64_t claim) noexcept { return static_cast<std::uint32_t>(claim); }
[[nodiscard]] constexpr std::uint32_t limit_of(std::uint64_t claim) noexcept { return static_cast<std::uint32_t>(claim >> 32); }
[[nodiscard]] constexpr std::uint64_t make_claim(std::uint32_t begun, std::uint32_t limit) noexcept {
    return std::uint64_t{limit} << 32 | begun;
}

/// All atomics are used seq_cst: one or two a call, and each sleeper's flag must be ordered against the work it waits for.
struct wire_memory {
    std::uint64_t magic = wire_magic;
    std::int32_t parent = 0; // process id

    alignas(64) std::atomic<std::uint64_t> claim{0};
    std::atomic<std::uint64_t> calls_read{0};  // position in `calls`: the child's, no byte before it is needed any more
    std::atomic<std::uint32_t> child_sleeps{0}; // it waits for a byte: for a call, or for room among the ends

    alignas(64) std::atomic<std::uint64_t> ends_written{0}; // position in `ends`: the child's
    std::atomic<std::uint64_t> ends_read{0};                // the parent's
    std::atomic<std::uint32_t> parent_sleeps{0};            // it wants a byte when something ends

    alignas(4096) std::byte calls[ring_bytes];
    std::byte ends[ring_bytes];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// What a header and its blocks and bytes take.
[[nodiscard]] inline std::size_t wire_size(process_message const& m) noexcept {
    return sizeof(wire_header) + m.blocks.size() * sizeof(std::uint64_t) + m.bytes.size();
}

/// Copies the message in; `header` needs only what the message does not say.
void write_message(ring_view ring, std::uint64_t position, wire_header header, process_message const& m) noexcept;

/// True when nothing in the header contradicts itself or exceeds the `available` bytes.
[[nodiscard]] bool plausible(wire_header const& h, std::uint64_t available) noexcept;

/// Fills in bytes and blocks; descriptors come from the front of `descriptors`, which has enough. Throws what shared_block::adopt() throws.
void read_message(ring_view ring, std::uint64_t position, wire_header const& h, std::vector<unique_descriptor>& descriptors,
                  process_message& into);

} // namespace aya::inline v1::detail
