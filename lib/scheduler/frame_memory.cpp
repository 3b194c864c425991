// SPDX-License-Identifier: Apache-2.0
// Recycled memory for small blocks, after Bonwick's magazines ("Magazines and Vmem", 2001): each thread keeps up to two magazines of
// free blocks a size class and serves itself from them with plain loads and stores; full magazines move to a depot that all
// threads share, and come back from there. So memory that one thread allocates and another frees, for ever, goes round
// and stays bounded, and the depot's lock is taken once in `magazine_blocks` operations at most.
//
// Blocks are cut from chunks, which are never given back; small ones at first, the size of huge pages once a size class has grown: a million new
// tasks would spend a third of their time in page faults otherwise. Where a limit says that there are enough chunks, blocks come from the heap one by one; they
// go through the threads' magazines like all others, and are told apart by their addresses when a full magazine would move to the depot.
#include <aya/detail/frame_memory.hpp>

#include "platform/huge_page.hpp"

#include <aya/config.hpp>
#include <aya/detail/spin_lock.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace aya::inline v1::detail {

namespace {

constexpr std::size_t class_count = frame_cache::class_count;
constexpr std::uint32_t magazine_blocks = 64;
constexpr std::size_t chunk_size = std::size_t{64} * 1024;

using block = frame_block;

/// A magazine for `magazine_blocks`; as a default, an empty one.
struct magazine : frame_magazine {
    magazine() noexcept : frame_magazine{nullptr, magazine_blocks} {}
    static magazine full(block* head) noexcept {
        magazine m;
        m.head = head;
        m.room = 0;
        return m;
    }
    [[nodiscard]] std::uint32_t count() const noexcept { return magazine_blocks - room; }
};

/// Where all depots have their chunks from.
class chunk_source {
public:
    /// The size of a huge page, if `large` asks for it. Empty when the limit is reached.
    std::span<std::byte> allocate(bool large) {
        std::lock_guard const guard(mutex_);
        if (total_ + chunk_size > limit_) {
            // Relaxed: who holds a block of the heap has it from here, or from somebody who told it more than this.
            exceeded_.store(true, std::memory_order_relaxed);
            return {};
        }
        chunks_.emplace_back();
        std::span<std::byte>& chunk = chunks_.back();
        try {
            if (large && huge_page_size <= limit_ - total_)
                chunk = allocate_huge_page();
            if (chunk.empty())
                chunk = {static_cast<std::byte*>(::operator new(chunk_size)), chunk_size};
        } catch (...) {
            chunks_.pop_back();
            throw;
        }
        total_ += chunk.size();
        sorted_ = false;
        return chunk;
    }

    void limit(std::size_t bytes) noexcept {
        std::lock_guard const guard(mutex_);
        limit_ = std::min(limit_, bytes);
    }

    /// Whether there may be blocks of the heap's about.
    [[nodiscard]] bool exceeded() const noexcept { return exceeded_.load(std::memory_order_relaxed); } // see allocate()

    /// Whether `b` was cut from a chunk.
    [[nodiscard]] bool owns(void const* b) noexcept {
        std::lock_guard const guard(mutex_);
        if (!std::exchange(sorted_, true))
            std::sort(chunks_.begin(), chunks_.end(), [](auto const& x, auto const& y) { return x.data() < y.data(); });
        auto const* const address = static_cast<std::byte const*>(b);
        auto const after = std::upper_bound(chunks_.begin(), chunks_.end(), address,
                                            [](std::byte const* a, std::span<std::byte> const& chunk) { return a < chunk.data(); });
        return after != chunks_.begin() && address < (after - 1)->data() + (after - 1)->size();
    }

private:
    friend void for_every_lock(void (*f)(spin_lock&));

    spin_lock mutex_; // taken under a depot's
    std::vector<std::span<std::byte>> chunks_;
    std::size_t total_ = 0; // bytes in them
    bool sorted_ = true;
    std::size_t limit_ = std::numeric_limits<std::size_t>::max();
    std::atomic<bool> exceeded_{false};
};

// Never destroyed, like the depots.
chunk_source& chunks() {
    static auto* const all = new chunk_source;
    return *all;
}

/// Full magazines, and the chunk that new blocks are cut from.
class alignas(64) depot {
public:
    magazine take(std::size_t size_class) {
        std::lock_guard const guard(mutex_);
        if (full_ != nullptr) {
            block* const head = full_;
            full_ = head->next_magazine;
            return magazine::full(head);
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
    static constexpr std::size_t handful = 2048;
    magazine carve(std::size_t size_class) {
        std::size_t const size = (size_class + 1) * frame_cache::granule;
        if (chunk_left_ < size) {
            std::span<std::byte> const chunk = chunks().allocate(grown_ >= huge_page_size / 2);
            if (chunk.empty())
                return from_heap(size);
            chunk_ = chunk.data();
            chunk_left_ = chunk.size();
            grown_ += chunk.size();
        }
        magazine m;
        while (m.room != 0 && chunk_left_ >= size && m.count() * size < handful) {
            m.keep(reinterpret_cast<block*>(chunk_));
            chunk_ += size;
            chunk_left_ -= size;
        }
        return m;
    }

    static magazine from_heap(std::size_t size) {
        magazine m;
        m.keep(static_cast<block*>(::operator new(size)));
        while (m.room != 0 && m.count() * size < handful) {
            void* const b = ::operator new(size, std::nothrow);
            if (b == nullptr)
                break;
            m.keep(static_cast<block*>(b));
        }
        return m;
    }

    friend void for_every_lock(void (*f)(spin_lock&));

    spin_lock mutex_;
    block* full_ = nullptr;
    std::byte* chunk_ = nullptr;
    std::size_t chunk_left_ = 0;
    std::size_t grown_ = 0; // bytes of all its chunks
};

// Never destroyed: threads that outlive main give blocks back too. Its chunks stay reachable from here.
depot* depots() {
    static depot* const all = new depot[class_count];
    return all;
}

// A thread that ends gives everything to the depot; partly full magazines are joined block by block.
struct leftovers {
    spin_lock mutex;
    magazine partial[class_count];
};

leftovers& left() {
    static auto* const all = new leftovers;
    return *all;
}

// In the order in which they are taken.
void for_every_lock(void (*f)(spin_lock&)) {
    f(left().mutex);
    for (std::size_t c = 0; c < class_count; ++c)
        f(depots()[c].mutex_);
    f(chunks().mutex_);
}

void give_block(block* b, std::size_t size_class) noexcept {
    if (chunks().exceeded() && !chunks().owns(b)) [[unlikely]] {
        ::operator delete(b);
        return;
    }
    leftovers& all = left();
    std::lock_guard const guard(all.mutex);
    magazine& partial = all.partial[size_class];
    partial.keep(b);
    if (partial.room == 0) {
        depots()[size_class].give(partial.head);
        partial = {};
    }
}

void give_all(frame_magazine& m, std::size_t size_class) noexcept {
    while (m.head != nullptr) {
        block* const b = m.head;
        m.head = b->next;
        give_block(b, size_class);
    }
    m = {}; // no room: whoever uses it next asks the library
}

/// A full magazine that its thread has no room for.
void give_magazine(frame_magazine& m, std::size_t size_class) noexcept {
    if (chunks().exceeded()) [[unlikely]] {
        give_all(m, size_class);
        return;
    }
    depots()[size_class].give(m.head);
    m = {};
}

// Null or full; keeps a thread at the edge of a magazine away from the depot. The only ones, filled to any degree, of a thread that bypasses its cache.
constinit thread_local frame_magazine spares[class_count];
constinit thread_local bool bypassed = false;
constinit std::atomic<bool> all_bypass{false};

// Relaxed: which block it begins with is left open.
void follow_the_others() noexcept {
    if (all_bypass.load(std::memory_order_relaxed) && !bypassed) [[unlikely]]
        bypass_frame_cache(true);
}

// Made in the slow paths, which every thread takes that uses the cache.
struct cache_cleaner {
    bool used = false;
    ~cache_cleaner();
};
thread_local cache_cleaner cleaner;

cache_cleaner::~cache_cleaner() {
    bypass_frame_cache(false);
    for (std::size_t c = 0; c < class_count; ++c) {
        if (spares[c].head != nullptr)
            give_magazine(spares[c], c);
        give_all(this_frame_cache.active[c], c);
    }
}

// The magazine is empty.
void* refill(std::size_t size_class) {
    cleaner.used = true;
    frame_magazine& active = this_frame_cache.active[size_class];
    frame_magazine& spare = spares[size_class];
    if (bypassed) [[unlikely]] {
        if (spare.head == nullptr)
            spare = depots()[size_class].take(size_class);
        block* const b = spare.head;
        spare.head = b->next;
        ++spare.room;
        return b;
    }
    if (spare.head != nullptr) {
        active = spare;
        spare = {};
    } else {
        active = depots()[size_class].take(size_class);
    }
    block* const b = active.head;
    active.head = b->next;
    ++active.room;
    return b;
}

// The magazine is full, or was never used.
void make_room(std::size_t size_class) noexcept {
    cleaner.used = true; // also of a thread that only ever frees
    frame_magazine& active = this_frame_cache.active[size_class];
    frame_magazine& spare = spares[size_class];
    if (active.head != nullptr) {
        if (spare.head != nullptr)
            give_magazine(spare, size_class);
        spare = active;
    }
    active = magazine();
}

} // namespace

constinit thread_local frame_cache this_frame_cache;

// Under a sanitizer every block is the heap's own, so that use after free is seen. A file that is compiled without one finds the cache
// empty and without room, and asks here too.
void* allocate_frame_slowly(std::size_t size) {
    if (AYA_SANITIZED || size > frame_cache::largest)
        return ::operator new(size);
    std::size_t const c = frame_cache::class_of(size);
    follow_the_others();
    frame_magazine& active = this_frame_cache.active[c];
    if (active.head == nullptr)
        return refill(c);
    // A file that is compiled with a sanitizer, and a library without.
    block* const b = active.head;
    active.head = b->next;
    ++active.room;
    return b;
}

void release_frame_slowly(void* memory, std::size_t size) noexcept {
    if (AYA_SANITIZED || size > frame_cache::largest) {
        ::operator delete(memory);
        return;
    }
    std::size_t const c = frame_cache::class_of(size);
    follow_the_others();
    if (bypassed) [[unlikely]] {
        frame_magazine& spare = spares[c];
        if (spare.room == 0) {
            cleaner.used = true;
            if (spare.head != nullptr)
                give_magazine(spare, c);
            spare = magazine();
        }
        spare.keep(static_cast<block*>(memory));
        return;
    }
    if (this_frame_cache.active[c].room == 0)
        make_room(c);
    this_frame_cache.active[c].keep(static_cast<block*>(memory));
}

void bypass_frame_cache(bool on) noexcept {
    if (bypassed == on)
        return;
    bypassed = on;
    for (std::size_t c = 0; c < class_count; ++c)
        give_all(on ? this_frame_cache.active[c] : spares[c], c);
}

void bypass_frame_caches(bool on) noexcept { all_bypass.store(on, std::memory_order_relaxed); }

void limit_frame_memory(std::size_t bytes) noexcept { chunks().limit(bytes); }

void lock_frame_memory() noexcept {
    for_every_lock([](spin_lock& l) { l.lock(); });
}
void unlock_frame_memory() noexcept {
    for_every_lock([](spin_lock& l) { l.unlock(); });
}

} // namespace aya::inline v1::detail
