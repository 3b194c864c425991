// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/spin_lock.hpp>

#include <sched.h>

namespace aya::inline v1::detail {

void relax(unsigned round) noexcept {
    if (round < 64) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    } else {
        sched_yield();
    }
}

void spin_lock::lock_slowly() noexcept {
    // Each look takes the cache line away from the holder, who wants it for its unlock, and perhaps for its next few operations: who keeps
    // away for a microsecond or two lets it have them all for the price of one transfer. Measured on bench's queue_4_4.
    constexpr unsigned longest = 1024;
    constexpr unsigned looks_before_yield = 8;
    unsigned pauses = 64;
    for (unsigned look = 0;; ++look) {
        if (look < looks_before_yield) {
            for (unsigned i = 0; i < pauses; ++i)
                relax(0);
            pauses = pauses < longest ? pauses * 2 : longest;
        } else {
            sched_yield(); // the holder has been preempted
        }
        // Relaxed: only a hint that the exchange may succeed; the exchange itself acquires.
        if (!locked_.load(std::memory_order_relaxed) && !locked_.exchange(true, std::memory_order_acquire))
            return;
    }
}

} // namespace aya::inline v1::detail
