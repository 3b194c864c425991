// SPDX-License-Identifier: Apache-2.0
// The short lock of every primitive: one byte, held for a few dozen instructions, never across a suspension, a
// user's callback or a wake-up.
#pragma once

#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

/// Waits a little, for spin loops: a pause instruction at first, then the rest of the time slice, since the holder may have
/// been preempted. `round` counts the caller's attempts.
void relax(unsigned round) noexcept;

/// A test-and-set lock. Meets BasicLockable, so `std::lock_guard` works with it.
class spin_lock {
public:
    void lock() noexcept {
        // Acquire: pairs with the release in unlock(); what the last holder wrote is visible to this one.
        if (!locked_.exchange(true, std::memory_order_acquire)) [[likely]]
            return;
        lock_slowly();
    }

    void unlock() noexcept {
        // Release: pairs with the acquire of the next holder's exchange.
        locked_.store(false, std::memory_order_release);
    }

private:
    void lock_slowly() noexcept;

    std::atomic<bool> locked_{false};
};

/// Holds a spin_lock for a scope. Public headers use it in place of std::lock_guard, whose header costs a tenth of a second.
class [[nodiscard]] spin_guard {
public:
    explicit spin_guard(spin_lock& l) noexcept : lock_(l) { l.lock(); }
    ~spin_guard() { lock_.unlock(); }
    spin_guard(spin_guard const&) = delete;
    spin_guard& operator=(spin_guard const&) = delete;

private:
    spin_lock& lock_;
};

} // namespace aya::inline v1::detail
