// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/spin_lock.hpp>

#include <sched.h>

namespace aya::detail {

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
    for (unsigned round = 0;; ++round) {
        relax(round);
        // Relaxed: only a hint that the exchange may succeed; the exchange itself acquires.
        if (!locked_.load(std::memory_order_relaxed) && !locked_.exchange(true, std::memory_order_acquire))
            return;
    }
}

} // namespace aya::detail
