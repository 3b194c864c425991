// SPDX-License-Identifier: Apache-2.0
// Forked work of one worker: what a gather has not started yet, and parents whose children have all ended. Last in, first out for the
// owner, so that a fork-join computation runs depth first and keeps few tasks alive; thieves take the oldest, which is the largest
// piece. Chase and Lev, "Dynamic circular work-stealing deque" (2005), with the orderings of Le et al. (2013) except that a locked
// exchange takes the place of the fence in pop(): ThreadSanitizer understands it, and it is cheaper.
//
// Edges:
//   D1 push -> steal   bottom_ store(release) | bottom_ load(seq_cst): the slot and what it points to are visible to the thief.
//   D2 pop | steal     pop: bottom_ exchange(seq_cst), then top_ load(seq_cst); steal: top_ load(seq_cst), then bottom_
//                      load(seq_cst). In the total order one of them sees the other's move, so the last item is fought for
//                      by compare-exchange on top_, and no item is taken twice.
//   D3 steal -> reuse  top_ compare-exchange(seq_cst) | top_ load(acquire) in push: the slot was read before it is written again.
//   D4 grow -> steal   ring_ store(release), before D1's store | ring_ load(acquire), after bottom_ was read.
#pragma once

#include <aya/detail/ready.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aya::inline v1::detail {

class fork_deque {
public:
    /// `shared` is false when there are no thieves, ever: the owner then takes without a locked instruction. Throws std::bad_alloc.
    explicit fork_deque(bool shared = true, std::size_t capacity = 256);
    ~fork_deque();
    fork_deque(fork_deque const&) = delete;
    fork_deque& operator=(fork_deque const&) = delete;

    /// Owner only. False when the ring must grow and there is no memory.
    [[nodiscard]] bool push(ready& r) noexcept {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed); // only the owner writes it
        if (bottom - top_cache_ > static_cast<std::int64_t>(mask_)) [[unlikely]] {
            top_cache_ = top_.load(std::memory_order_acquire); // D3
            if (bottom - top_cache_ > static_cast<std::int64_t>(mask_) && !grow(bottom))
                return false;
        }
        put(bottom, &r);
        bottom_.store(bottom + 1, std::memory_order_release); // D1
        return true;
    }
    /// The same where there is room as far as the owner knows; else false, and push() must find out.
    [[nodiscard]] bool push_at_once(ready& r) noexcept {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed); // only the owner writes it
        if (bottom - top_cache_ > static_cast<std::int64_t>(mask_)) [[unlikely]]
            return false;
        put(bottom, &r);
        bottom_.store(bottom + 1, std::memory_order_release); // D1
        return true;
    }

    /// Owner only: the newest. Null when empty.
    [[nodiscard]] ready* pop() noexcept {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed) - 1; // only the owner writes it
        // Relaxed: a top_ that is too old only costs the exchange below; it never passes bottom_ by thieves' doing.
        if (top_.load(std::memory_order_relaxed) > bottom)
            return nullptr;
        if (!shared_) {
            bottom_.store(bottom, std::memory_order_relaxed); // no other thread takes part
            return get(bottom);
        }
        bottom_.exchange(bottom); // D2
        std::int64_t top = top_.load();
        if (top > bottom) {
            // Relaxed, and no D1: top_ has passed this index, so a thief that believes in it fails on its exchange.
            bottom_.store(bottom + 1, std::memory_order_relaxed);
            return nullptr;
        }
        ready* r = get(bottom);
        if (top == bottom) {
            if (!top_.compare_exchange_strong(top, top + 1)) // D2: a thief was faster
                r = nullptr;
            bottom_.store(bottom + 1, std::memory_order_relaxed); // as above
        }
        return r;
    }

    /// Owner only: whether pop() would give `r`, if no thief comes, or has come, before it.
    [[nodiscard]] bool looks_newest(ready& r) const noexcept {
        return get(bottom_.load(std::memory_order_relaxed) - 1) == &r; // only the owner writes both
    }

    /// Owner only, after looks_newest(): takes it as pop() does. False when a thief was faster.
    [[nodiscard]] bool take_newest() noexcept {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed) - 1; // only the owner writes it
        if (!shared_) {
            if (top_.load(std::memory_order_relaxed) > bottom) // no other thread takes part
                return false;
            bottom_.store(bottom, std::memory_order_relaxed);
            return true;
        }
        // The only one is taken as a thief takes it, with one locked instruction instead of two. Relaxed: a first guess.
        std::int64_t top = top_.load(std::memory_order_relaxed);
        if (top == bottom)
            return top_.compare_exchange_strong(top, top + 1); // D2
        bottom_.exchange(bottom); // D2
        top = top_.load();
        if (top < bottom) [[likely]]
            return true;
        bool const mine = top == bottom && top_.compare_exchange_strong(top, top + 1); // D2
        bottom_.store(bottom + 1, std::memory_order_relaxed); // as in pop()
        return mine;
    }

    /// Any other thread: the oldest. Null when empty, or when somebody else was faster.
    [[nodiscard]] ready* steal() noexcept;

    /// A snapshot.
    [[nodiscard]] bool empty() const noexcept {
        return bottom_.load(std::memory_order_relaxed) <= top_.load(std::memory_order_relaxed); // only a hint
    }

private:
    struct ring; // what grows and is stolen from: lib/scheduler/fork_deque.cpp

    bool grow(std::int64_t bottom) noexcept;
    void adopt(ring* r) noexcept;

    // The owner's way into its ring. Relaxed: ordered by D1 and D3; atomic because a thief may read a slot that it then fails to take.
    void put(std::int64_t i, ready* r) noexcept {
        slots_[static_cast<std::size_t>(i) & mask_].store(r, std::memory_order_relaxed);
    }
    [[nodiscard]] ready* get(std::int64_t i) const noexcept {
        return slots_[static_cast<std::size_t>(i) & mask_].load(std::memory_order_relaxed);
    }

    bool const shared_;
    std::size_t mask_ = 0;
    std::atomic<ready*>* slots_ = nullptr;
    std::int64_t top_cache_ = 0; // a top_ of some time ago
    alignas(64) std::atomic<std::int64_t> bottom_{0};
    std::atomic<ring*> ring_{nullptr}; // and, behind it, those that thieves may still read
    alignas(64) std::atomic<std::int64_t> top_{0};
};

} // namespace aya::inline v1::detail
