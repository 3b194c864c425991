// SPDX-License-Identifier: Apache-2.0
// Memory for coroutine frames, task states and other small blocks of the hot path: recycled per thread in size classes,
// taken from the global heap only while the program grows. See lib/scheduler/frame_memory.cpp.
#pragma once

#include <cstddef>

namespace aya::detail {

/// A block of at least `size` bytes, aligned to max_align_t. Throws std::bad_alloc. Any thread.
[[nodiscard]] void* allocate_frame(std::size_t size);

/// Gives back a block that allocate_frame(size) returned, on any thread.
void release_frame(void* block, std::size_t size) noexcept;

/// Base of objects that live in frame memory.
struct frame_allocated {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { release_frame(block, size); }
};

} // namespace aya::detail
