// SPDX-License-Identifier: Apache-2.0
// Where a runtime's time comes from: the monotonic clock, or a number that jumps to the next deadline when all is idle.
#pragma once

#include <aya/time.hpp>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace aya::inline v1::detail {

/// The monotonic clock as it was when it last ticked.
inline time_point last_tick() noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

struct clock_source {
    bool is_virtual = false;
    std::atomic<std::int64_t> virtual_now{0};
    /// Work outside the scheduler (blocking and CPU jobs) that will wake a task: virtual time stands still meanwhile.
    std::atomic<std::uint64_t> outside{0};
    /// Threads that wait for a task of the runtime. Virtual time stands still while there is none: what such a thread does next, when its
    /// task is done, happens before time goes on.
    std::atomic<std::uint64_t> waiting{0};

    [[nodiscard]] time_point now() const noexcept {
        return is_virtual ? time_point(duration(virtual_now.load()))
                          : time_point(std::chrono::steady_clock::now());
    }
    /// Whether `t` is over. The clock of the last tick costs a quarter of the exact one, and is late by a few milliseconds at most.
    [[nodiscard]] bool is_over(time_point t) const noexcept {
        constexpr duration far_ahead = std::chrono::milliseconds(50);
        if (is_virtual)
            return t <= now();
        return t <= last_tick() + far_ahead && t <= now();
    }
    /// Only by a scheduler that has nothing else to do.
    void advance_to(time_point t) noexcept { virtual_now.store(t.time_since_epoch().count()); }
};

} // namespace aya::inline v1::detail
