// SPDX-License-Identifier: Apache-2.0
// Recycled memory for small blocks, after Bonwick's magazines ("Magazines and Vmem", 2001): each thread keeps up to two magazines of
// free blocks a size class and serves itself from them with plain loads and stores; full magazines move to a depot that all
// threads share, and come back from there. So memory that one thread allocates and another frees, for ever, goes round
// and stays bounded, and the depot's lock is taken once in `magazine_blocks` operations at most.
#include <aya/detail/frame_memory.hpp>

#include <aya/config.hpp>
#include <aya/detail/spin_lock.hpp>

#include <cstdint>
#include <mutex>
#include <new>

namespace aya::detail {

namespace {

constexpr std::size_t granule = 32;
constexpr std::size_t class_count = 32; // up to 1 KiB; larger frames are rare enough for the global heap
constexpr std::size_t largest = granule * class_count;
constexpr std::size_t magazine_blocks = 64;
constexpr std::size_t chunk_size = std::size_t{64} * 1024;

struct block {
    block* next;
    block* next_magazine; // valid in the first block of a magazine in the depot
};

struct magazine {
    block* head = nullptr;
    std::uint32_t count = 0;
};

constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / granule; }

/// Full magazines, and the chunk that new blocks are cut from.
class alignas(64) depot {
public:
    magazine take(std::size_t size_class) {
        std::lock_guard const guard(mutex_);
        if (full_ != nullptr) {
            block* const head = full_;
            full_ = head->next_magazine;
            return {head, magazine_blocks};
        }
        return carve(size_class);
    }

    void give(block* head) noexcept {
        std::lock_guard const guard(mutex_);
        head->next_magazine = full_;
        full_ = head;
    }

private:
    // Half a page at a time, so that a program with few tasks touches little memory.
    magazine carve(std::size_t size_class) {
        std::size_t const size = (size_class + 1) * granule;
        if (chunk_left_ < size) {
            chunk_ = static_cast<std::byte*>(::operator new(chunk_size));
            chunk_left_ = chunk_size;
        }
        magazine m;
        while (m.count < magazine_blocks && chunk_left_ >= size && m.count * size < 2048) {
            auto* const b = reinterpret_cast<block*>(chunk_);
            chunk_ += size;
            chunk_left_ -= size;
            b->next = m.head;
            m.head = b;
            ++m.count;
        }
        return m;
    }

    spin_lock mutex_;
    block* full_ = nullptr;
    std::byte* chunk_ = nullptr;
    std::size_t chunk_left_ = 0;
};

// Never destroyed: threads that outlive main give blocks back too. Its chunks stay reachable from here.
depot* depots() {
    static depot* const all = new depot[class_count];
    return all;
}

struct thread_cache {
    magazine active[class_count];
    magazine spare[class_count]; // empty or full; keeps a thread at the edge of a magazine away from the depot
};

// A thread that ends gives everything to the depot; partly full magazines are joined block by block.
struct leftovers {
    spin_lock mutex;
    magazine partial[class_count];
};

leftovers& left() {
    static auto* const all = new leftovers;
    return *all;
}

// Trivial to make and to destroy, so that an access needs no guard; its cleaner is made in the slow paths.
constinit thread_local thread_cache cache;

struct cache_cleaner {
    bool used = false;
    ~cache_cleaner();
};
thread_local cache_cleaner cleaner;

cache_cleaner::~cache_cleaner() {
    auto& [active, spare] = cache;
    for (std::size_t c = 0; c < class_count; ++c) {
        if (spare[c].head != nullptr)
            depots()[c].give(spare[c].head);
        leftovers& all = left();
        std::lock_guard const guard(all.mutex);
        magazine& partial = all.partial[c];
        while (active[c].head != nullptr) {
            block* const b = active[c].head;
            active[c].head = b->next;
            b->next = partial.head;
            partial.head = b;
            if (++partial.count == magazine_blocks) {
                depots()[c].give(partial.head);
                partial = {};
            }
        }
        active[c] = spare[c] = {};
    }
}

[[gnu::noinline]] void* refill(std::size_t size_class) {
    cleaner.used = true;
    magazine& active = cache.active[size_class];
    magazine& spare = cache.spare[size_class];
    if (spare.head != nullptr) {
        active = spare;
        spare = {};
    } else {
        active = depots()[size_class].take(size_class);
    }
    block* const b = active.head;
    active.head = b->next;
    --active.count;
    return b;
}

[[gnu::noinline]] void put_aside(std::size_t size_class) noexcept {
    cleaner.used = true;
    magazine& active = cache.active[size_class];
    magazine& spare = cache.spare[size_class];
    if (spare.head != nullptr)
        depots()[size_class].give(spare.head);
    spare = active;
    active = {};
}

} // namespace

void* allocate_frame(std::size_t size) {
    // Under a sanitizer every block is the heap's own, so that use after free is seen.
    if (AYA_SANITIZED || size > largest)
        return ::operator new(size);
    std::size_t const c = class_of(size);
    magazine& active = cache.active[c];
    block* const b = active.head;
    if (b == nullptr) [[unlikely]]
        return refill(c);
    active.head = b->next;
    --active.count;
    return b;
}

void release_frame(void* memory, std::size_t size) noexcept {
    if (AYA_SANITIZED || size > largest) {
        ::operator delete(memory);
        return;
    }
    std::size_t const c = class_of(size);
    if (cache.active[c].count == magazine_blocks) [[unlikely]]
        put_aside(c);
    magazine& active = cache.active[c];
    auto* const b = static_cast<block*>(memory);
    b->next = active.head;
    active.head = b;
    ++active.count;
}

} // namespace aya::detail
