// SPDX-License-Identifier: Apache-2.0
#include "platform/futex.hpp"

#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace aya::inline v1::detail {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, time_point deadline) noexcept {
    timespec until{};
    timespec const* timeout = nullptr;
    if (deadline != time_point::max()) {
        auto const since_boot = deadline.time_since_epoch().count();
        if (since_boot <= 0)
            return;
        until.tv_sec = since_boot / 1'000'000'000;
        until.tv_nsec = since_boot % 1'000'000'000;
        timeout = &until;
    }
    // The bitset form takes an absolute deadline on the monotonic clock, which is steady_clock's.
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, timeout, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

} // namespace aya::inline v1::detail
