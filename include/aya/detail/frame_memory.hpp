// SPDX-License-Identifier: Apache-2.0
// Memory for coroutine frames, task states and other small blocks of the hot path: recycled per thread in size classes,
// taken from the global heap only while the program grows. See lib/scheduler/frame_memory.cpp.
#pragma once

#include <aya/config.hpp>
#include <aya/detail/balance.hpp>

#include <cstddef>
#include <cstdint>

namespace aya::inline v1::detail {

/// A free block.
struct frame_block {
    frame_block* next;
    frame_block* next_magazine; // valid in the first block of a magazine in the depot
};

struct frame_magazine {
    frame_block* head = nullptr;
    std::uint32_t room = 0; // for so many more; none before the first use

    /// There is room.
    void keep(frame_block* b) noexcept {
        b->next = head;
        head = b;
        --room;
    }
};

/// A thread's free blocks, by size.
struct frame_cache {
    static constexpr std::size_t granule = 16;
    static constexpr std::size_t class_count = 64; // up to 1 KiB; larger frames are rare enough for the global heap
    static constexpr std::size_t largest = granule * class_count;
    static constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / granule; }

    frame_magazine active[class_count];
};

// Trivial to make and to destroy, so that an access needs no guard. Used below only: no caller suspends in between.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local frame_cache this_frame_cache;

/// What the inline halves leave over. Under a sanitizer, everything: the library decides, for all files of a program.
[[nodiscard]] void* allocate_frame_slowly(std::size_t size);
void release_frame_slowly(void* block, std::size_t size) noexcept;

/// From now on the calling thread's blocks all go through the two above, which costs a few nanoseconds each; or no longer.
void bypass_frame_cache(bool on) noexcept;
/// The same for every thread, from the next time that it comes by there; one that has free blocks at hand uses those up first. Off: only
/// threads that begin then have caches again.
void bypass_frame_caches(bool on) noexcept;

/// A block of at least `size` bytes, aligned to max_align_t. Throws std::bad_alloc. Any thread.
template <auto Slowly = &allocate_frame_slowly>
[[nodiscard]] inline void* allocate_frame(std::size_t size) {
#if AYA_BALANCE
    before_allocation();
#endif
    if (!AYA_SANITIZED && size <= frame_cache::largest) [[likely]] {
        frame_magazine& active = this_frame_cache.active[frame_cache::class_of(size)];
        if (frame_block* const b = active.head; b != nullptr) [[likely]] {
            active.head = b->next;
            ++active.room;
            count(counted::blocks, 1);
            return b;
        }
    }
    void* const b = Slowly(size);
    count(counted::blocks, 1);
    return b;
}

/// Gives back a block that allocate_frame(size) returned, on any thread.
inline void release_frame(void* block, std::size_t size) noexcept {
    count(counted::blocks, -1);
    if (!AYA_SANITIZED && size <= frame_cache::largest) [[likely]] {
        frame_magazine& active = this_frame_cache.active[frame_cache::class_of(size)];
        if (active.room != 0) [[likely]] {
            active.keep(static_cast<frame_block*>(block));
            return;
        }
    }
    release_frame_slowly(block, size);
}

/// From now on, what the caches have cut from chunks stays below `bytes`, if it does now; see runtime_options::frame_memory_limit. Never
/// raises the limit. Any thread.
void limit_frame_memory(std::size_t bytes) noexcept;

/// Around a fork(), so that the child finds the caches whole. Nothing else may be done in between.
void lock_frame_memory() noexcept;
void unlock_frame_memory() noexcept;

/// Base of objects that live in frame memory.
struct frame_allocated {
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* block, std::size_t size) noexcept { release_frame(block, size); }
};

} // namespace aya::inline v1::detail
