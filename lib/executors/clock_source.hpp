// SPDX-License-Identifier: Apache-2.0
// Where a runtime's time comes from: the monotonic clock, or a number that jumps to the next deadline when all is idle.
#pragma once

#include <aya/time.hpp>

#include <atomic>
#include <cstdint>

namespace aya::detail {

struct clock_source {
    bool is_virtual = false;
    std::atomic<std::int64_t> virtual_now{0};
    /// Work outside the scheduler (blocking and CPU jobs) that will wake a task: virtual time stands still meanwhile.
    std::atomic<std::uint64_t> outside{0};

    [[nodiscard]] time_point now() const noexcept {
        return is_virtual ? time_point(duration(virtual_now.load()))
                          : time_point(std::chrono::steady_clock::now());
    }
    /// Only by a scheduler that has nothing else to do.
    void advance_to(time_point t) noexcept { virtual_now.store(t.time_since_epoch().count()); }
};

} // namespace aya::detail
