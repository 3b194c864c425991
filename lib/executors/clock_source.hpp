// SPDX-License-Identifier: Apache-2.0
// Where a runtime's time comes from: the monotonic clock, or a number that jumps to the next deadline when all is idle.
#pragma once

#include <aya/time.hpp>

#include <atomic>
#include <cstdint>

namespace aya::inline v1::detail {

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
    /// Only by a scheduler that has nothing else to do.
    void advance_to(time_point t) noexcept { virtual_now.store(t.time_since_epoch().count()); }
};

} // namespace aya::inline v1::detail
