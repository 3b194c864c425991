// SPDX-License-Identifier: Apache-2.0
// The rings of a fork_deque, and what thieves do.
#include <aya/detail/fork_deque.hpp>

#include <memory>
#include <new>

namespace aya::inline v1::detail {

struct fork_deque::ring {
    explicit ring(std::size_t capacity) : mask(capacity - 1), slots(std::make_unique<std::atomic<ready*>[]>(capacity)) {}

    std::size_t mask;
    std::unique_ptr<std::atomic<ready*>[]> slots;
    std::unique_ptr<ring> older; // a thief may still read it
};

fork_deque::fork_deque(bool shared, std::size_t capacity) : shared_(shared) { adopt(new ring(capacity)); }

fork_deque::~fork_deque() { delete ring_.load(std::memory_order_relaxed); } // nobody else is left

void fork_deque::adopt(ring* r) noexcept {
    mask_ = r->mask;
    slots_ = r->slots.get();
    ring_.store(r, std::memory_order_release); // D4
}

bool fork_deque::grow(std::int64_t bottom) noexcept {
    try {
        auto bigger = std::make_unique<ring>(2 * (mask_ + 1));
        for (std::int64_t i = top_cache_; i != bottom; ++i)
            bigger->slots[static_cast<std::size_t>(i) & bigger->mask].store(get(i), std::memory_order_relaxed); // D4
        bigger->older.reset(ring_.load(std::memory_order_relaxed)); // only the owner writes it
        adopt(bigger.release());
        return true;
    } catch (std::bad_alloc const&) {
        return false;
    }
}

ready* fork_deque::steal() noexcept {
    std::int64_t top = top_.load(); // D2
    std::int64_t const bottom = bottom_.load(); // D1, D2
    if (top >= bottom)
        return nullptr;
    ring const& r = *ring_.load(std::memory_order_acquire); // D4
    // Relaxed: see put().
    ready* const item = r.slots[static_cast<std::size_t>(top) & r.mask].load(std::memory_order_relaxed);
    return top_.compare_exchange_strong(top, top + 1) ? item : nullptr; // D2, D3
}

} // namespace aya::inline v1::detail
