// SPDX-License-Identifier: Apache-2.0
// The woken tasks of one worker, first in, first out. The owner pushes; the owner and thieves take from the same end, so that
// nobody overtakes. A ring of atomic slots that grows; indices are 64 bits wide and never wrap.
//
// Edges (each side names the other):
//   R1 push -> take     tail_ store(release) | tail_ load(acquire): the slot and what the ready object points to are visible.
//   R2 take -> reuse    head_ compare-exchange(release) | head_ load(acquire) in push: the slot was read before it is written again.
//   R3 grow -> take     ring_ store(release), before the tail_ store of R1 | ring_ load(acquire), after the tail_ load: a taker
//                       that sees an index sees a ring that holds it. Old rings are kept, unchanged, until the queue goes away.
// A taker reads slots before it owns them; its compare-exchange on head_ fails if any of them was taken, or reused, meanwhile.
#pragma once

#include <aya/detail/ready.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace aya::inline v1::detail {

class ready_queue {
public:
    /// `shared` is false when there are no thieves, ever: the owner then takes without a locked instruction.
    explicit ready_queue(bool shared, std::size_t capacity = 256) : shared_(shared) { replace_ring(capacity); }

    /// Owner only. False when the ring must grow and there is no memory.
    [[nodiscard]] bool push(ready& r) noexcept {
        std::uint64_t const tail = tail_.load(std::memory_order_relaxed); // only the owner writes it
        if (tail - head_cache_ >= current_->capacity()) [[unlikely]] {
            head_cache_ = head_.load(std::memory_order_acquire); // R2
            if (tail - head_cache_ >= current_->capacity() && !grow(tail))
                return false;
        }
        current_->put(tail, &r);
        tail_.store(tail + 1, std::memory_order_release); // R1
        return true;
    }

    /// Owner only. Null when empty.
    [[nodiscard]] ready* pop() noexcept {
        std::uint64_t const tail = tail_.load(std::memory_order_relaxed); // only the owner writes it
        std::uint64_t head = head_.load(std::memory_order_relaxed);       // checked by the exchange
        while (head != tail) {
            ready* const r = current_->get(head);
            if (!shared_) {
                head_.store(head + 1, std::memory_order_relaxed); // no other thread takes part
                return r;
            }
            // Relaxed, for the owner wrote the slot and will write it again; but an exchange: what thieves released (R2) goes on through it to
            // push(). A store would cut that off, and a slot could be written again while it is read.
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_relaxed, std::memory_order_relaxed))
                return r;
        }
        return nullptr;
    }

    /// Any other thread: moves up to half of what is there, at most `limit`, to `taken`. Returns how many. The last one is left to the
    /// owner, who gets to it in a moment, unless `also_last`.
    [[nodiscard]] std::size_t steal(ready** taken, std::size_t limit, bool also_last = true) noexcept {
        // Acquire: after a thief's move of the head the tail read below is no older. After the owner's it may be: the queue looks empty then, and
        // a theft is missed.
        std::uint64_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            std::uint64_t const tail = tail_.load(std::memory_order_acquire); // R1
            if (tail <= head)
                return 0;
            std::uint64_t const there = tail - head;
            std::uint64_t const half = also_last ? there - there / 2 : there / 2;
            std::uint64_t const count = std::min<std::uint64_t>(half, limit);
            if (count == 0)
                return 0;
            ring const* const r = ring_.load(std::memory_order_acquire); // R3
            for (std::uint64_t i = 0; i < count; ++i)
                taken[i] = r->get(head + i);
            // Release: R2. Acquire on failure: as in the first load.
            if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire))
                return static_cast<std::size_t>(count);
        }
    }

    /// A snapshot; exact for the owner when there are no thieves.
    [[nodiscard]] std::size_t size() const noexcept {
        // Only numbers. Acquire: as in steal(), the tail is rarely older than the head.
        std::uint64_t const head = head_.load(std::memory_order_acquire);
        std::uint64_t const tail = tail_.load(std::memory_order_acquire);
        return tail > head ? static_cast<std::size_t>(tail - head) : 0;
    }

private:
    class ring {
    public:
        explicit ring(std::size_t capacity)
            : mask_(capacity - 1), slots_(std::make_unique<std::atomic<ready*>[]>(capacity)) {}
        [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }
        // Relaxed: ordered by R1 and R2; atomic because a thief may read a slot that it then fails to take.
        void put(std::uint64_t i, ready* r) noexcept { slots_[i & mask_].store(r, std::memory_order_relaxed); }
        [[nodiscard]] ready* get(std::uint64_t i) const noexcept {
            return slots_[i & mask_].load(std::memory_order_relaxed);
        }

    private:
        std::size_t mask_;
        std::unique_ptr<std::atomic<ready*>[]> slots_;
    };

    bool grow(std::uint64_t tail) noexcept {
        try {
            ring const& old = *current_;
            auto bigger = std::make_unique<ring>(old.capacity() * 2);
            for (std::uint64_t i = head_cache_; i != tail; ++i)
                bigger->put(i, old.get(i));
            adopt(std::move(bigger));
            return true;
        } catch (std::bad_alloc const&) {
            return false;
        }
    }
    void replace_ring(std::size_t capacity) { adopt(std::make_unique<ring>(capacity)); }
    void adopt(std::unique_ptr<ring> r) {
        rings_.push_back(std::move(r));
        current_ = rings_.back().get();
        ring_.store(current_, std::memory_order_release); // R3
    }

    // The owner's line, what thieves read of it, and the line that both write.
    ring* current_ = nullptr;
    std::uint64_t head_cache_ = 0; // a head_ of some time ago: reading the real one costs a cache miss while thieves are about
    std::vector<std::unique_ptr<ring>> rings_;
    bool const shared_;
    alignas(64) std::atomic<std::uint64_t> tail_{0};
    std::atomic<ring*> ring_{nullptr};
    alignas(64) std::atomic<std::uint64_t> head_{0};
};

} // namespace aya::inline v1::detail
