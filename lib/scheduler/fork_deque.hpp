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

#include <aya/detail/task_state.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace aya::detail {

class fork_deque {
public:
    explicit fork_deque(std::size_t capacity = 256) { adopt(std::make_unique<ring>(capacity)); }

    /// Owner only. Throws std::bad_alloc when the ring must grow and cannot.
    void push(ready& r) {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed); // only the owner writes it
        if (bottom - top_cache_ >= current_->capacity()) [[unlikely]] {
            top_cache_ = top_.load(std::memory_order_acquire); // D3
            if (bottom - top_cache_ >= current_->capacity())
                grow(bottom);
        }
        current_->put(bottom, &r);
        bottom_.store(bottom + 1, std::memory_order_release); // D1
    }

    /// Owner only: the newest. Null when empty.
    [[nodiscard]] ready* pop() noexcept {
        std::int64_t const bottom = bottom_.load(std::memory_order_relaxed) - 1; // only the owner writes it
        // Relaxed: a top_ that is too old only costs the exchange below; it never passes bottom_ by thieves' doing.
        if (top_.load(std::memory_order_relaxed) > bottom)
            return nullptr;
        bottom_.exchange(bottom); // D2
        std::int64_t top = top_.load();
        if (top > bottom) {
            bottom_.store(bottom + 1, std::memory_order_relaxed); // empty: as it was
            return nullptr;
        }
        ready* r = current_->get(bottom);
        if (top == bottom) {
            if (!top_.compare_exchange_strong(top, top + 1)) // D2: a thief was faster
                r = nullptr;
            bottom_.store(bottom + 1, std::memory_order_relaxed); // empty; a thief that still sees the old value fails on top_
        }
        return r;
    }

    /// Any other thread: the oldest. Null when empty, or when somebody else was faster.
    [[nodiscard]] ready* steal() noexcept {
        std::int64_t top = top_.load(); // D2
        std::int64_t const bottom = bottom_.load(); // D1, D2
        if (top >= bottom)
            return nullptr;
        ready* const r = ring_.load(std::memory_order_acquire)->get(top); // D4
        return top_.compare_exchange_strong(top, top + 1) ? r : nullptr; // D2, D3
    }

    /// A snapshot.
    [[nodiscard]] bool empty() const noexcept {
        return bottom_.load(std::memory_order_relaxed) <= top_.load(std::memory_order_relaxed); // only a hint
    }

private:
    class ring {
    public:
        explicit ring(std::size_t capacity)
            : mask_(capacity - 1), slots_(std::make_unique<std::atomic<ready*>[]>(capacity)) {}
        [[nodiscard]] std::int64_t capacity() const noexcept { return static_cast<std::int64_t>(mask_) + 1; }
        // Relaxed: ordered by D1 and D3; atomic because a thief may read a slot that it then fails to take.
        void put(std::int64_t i, ready* r) noexcept {
            slots_[static_cast<std::size_t>(i) & mask_].store(r, std::memory_order_relaxed);
        }
        [[nodiscard]] ready* get(std::int64_t i) const noexcept {
            return slots_[static_cast<std::size_t>(i) & mask_].load(std::memory_order_relaxed);
        }

    private:
        std::size_t mask_;
        std::unique_ptr<std::atomic<ready*>[]> slots_;
    };

    void grow(std::int64_t bottom) {
        ring const& old = *current_;
        auto bigger = std::make_unique<ring>(2 * static_cast<std::size_t>(old.capacity()));
        for (std::int64_t i = top_cache_; i != bottom; ++i)
            bigger->put(i, old.get(i));
        adopt(std::move(bigger));
    }
    void adopt(std::unique_ptr<ring> r) {
        rings_.push_back(std::move(r));
        current_ = rings_.back().get();
        ring_.store(current_, std::memory_order_release); // D4
    }

    ring* current_ = nullptr;
    std::int64_t top_cache_ = 0; // a top_ of some time ago
    std::vector<std::unique_ptr<ring>> rings_; // thieves may still read an old one
    alignas(64) std::atomic<std::int64_t> bottom_{0};
    std::atomic<ring*> ring_{nullptr};
    alignas(64) std::atomic<std::int64_t> top_{0};
};

} // namespace aya::detail
